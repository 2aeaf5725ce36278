package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fact is one thing that a process can say about where it is.
type fact struct {
	Topic, Name string
	Values      []string
}

// demo prints the facts that tests/demo puts side by side, of the host and of a container, as a JSON list.
func demo([]string) {
	status := readStatus()
	facts := []fact{
		{"Process", "hostname", []string{uts().Hostname}},
		{"Process", "own pid", []string{fmt.Sprint(os.Getpid())}},
		{"Process", "processes", processes()},
		{"Process", "runs as", []string{fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())}},
		{"Process", "which is, outside", []string{userOutside()}},
	}
	own := namespaces()
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"} {
		facts = append(facts, fact{"Namespaces", kind, []string{strings.Trim(strings.TrimPrefix(own[kind], kind), ":[]")}})
	}
	facts = append(facts,
		fact{"Limits", "memory, bytes", limit("memory", "memory.max", "memory.limit_in_bytes")},
		fact{"Limits", "cpu, µs", limit("cpu", "cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")},
		fact{"Limits", "processes, most", limit("pids", "pids.max", "pids.max")},
	)
	facts = append(facts,
		fact{"Rights", "capabilities", capabilities(hex(status["CapEff"]))},
		fact{"Rights", "no new privileges", []string{map[string]string{"0": "no", "1": "yes"}[status["NoNewPrivs"]]}},
		fact{"Rights", "seccomp", []string{seccompMode(status["Seccomp"])}},
		fact{"Rights", "unshare(2) answers", []string{answer(unix.Unshare(0))}},
		fact{"Rights", "write /proc/sys", []string{answer(unix.Access("/proc/sys/kernel/hostname", unix.W_OK))}},
		fact{"Files", "in /", names("/")},
		fact{"Files", "in /dev", names("/dev")},
		fact{"Files", "interfaces", names("/sys/class/net")},
	)
	var points []string
	for _, m := range mounts() {
		points = append(points, fmt.Sprintf("%s\t%s\t%s", m.Point, m.Type, m.Options))
	}
	facts = append(facts, fact{"Files", "mounts", points})
	if err := json.NewEncoder(os.Stdout).Encode(facts); err != nil {
		die("%v", err)
	}
}

// userOutside is what the parent user namespace calls this user.
func userOutside() string {
	for _, line := range lines("/proc/self/uid_map") {
		var inside, outside, size int
		if n, _ := fmt.Sscan(line, &inside, &outside, &size); n == 3 && inside <= os.Getuid() && os.Getuid() < inside+size {
			return fmt.Sprint("uid ", os.Getuid()-inside+outside)
		}
	}
	return "nobody"
}

// limit reads what this process's cgroup says of a controller: one file of cgroup v2 or, where the controller is there, some of
// v1, in v2's words.
func limit(controller, file string, v1 ...string) []string {
	var unified, own string
	for _, line := range lines("/proc/self/cgroup") {
		fields := strings.SplitN(line, ":", 3)
		switch {
		case fields[1] == "":
			unified = "/sys/fs/cgroup" + fields[2]
		case slices.Contains(strings.Split(fields[1], ","), controller):
			own = "/sys/fs/cgroup/" + controller + fields[2]
		}
	}
	if own == "" {
		return lines(unified + "/" + file)
	}
	var words []string
	for _, file := range v1 {
		for _, word := range lines(own + "/" + file) {
			if n, err := strconv.ParseInt(word, 10, 64); err == nil && (n < 0 || n > 1<<62) {
				word = "max"
			}
			words = append(words, word)
		}
	}
	return words
}

func answer(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}

func names(dir string) []string {
	var all []string
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

func processes() []string {
	if _, err := os.Stat("/proc/self"); err != nil {
		return nil
	}
	var all []string
	for _, pid := range pids() {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		all = append(all, fmt.Sprintf("%d %s", pid, strings.TrimSpace(string(comm))))
	}
	return all
}

func seccompMode(mode string) string {
	switch mode {
	case "0":
		return "off"
	case "1":
		return "strict"
	case "2":
		return "filter"
	}
	return "unknown"
}

// capabilities names the bits of a mask; those younger than this table appear as numbers.
func capabilities(mask uint64) []string {
	names := [...]string{
		unix.CAP_CHOWN: "CHOWN", unix.CAP_DAC_OVERRIDE: "DAC_OVERRIDE", unix.CAP_DAC_READ_SEARCH: "DAC_READ_SEARCH",
		unix.CAP_FOWNER: "FOWNER", unix.CAP_FSETID: "FSETID", unix.CAP_KILL: "KILL", unix.CAP_SETGID: "SETGID",
		unix.CAP_SETUID: "SETUID", unix.CAP_SETPCAP: "SETPCAP", unix.CAP_LINUX_IMMUTABLE: "LINUX_IMMUTABLE",
		unix.CAP_NET_BIND_SERVICE: "NET_BIND_SERVICE", unix.CAP_NET_BROADCAST: "NET_BROADCAST",
		unix.CAP_NET_ADMIN: "NET_ADMIN", unix.CAP_NET_RAW: "NET_RAW", unix.CAP_IPC_LOCK: "IPC_LOCK",
		unix.CAP_IPC_OWNER: "IPC_OWNER", unix.CAP_SYS_MODULE: "SYS_MODULE", unix.CAP_SYS_RAWIO: "SYS_RAWIO",
		unix.CAP_SYS_CHROOT: "SYS_CHROOT", unix.CAP_SYS_PTRACE: "SYS_PTRACE", unix.CAP_SYS_PACCT: "SYS_PACCT",
		unix.CAP_SYS_ADMIN: "SYS_ADMIN", unix.CAP_SYS_BOOT: "SYS_BOOT", unix.CAP_SYS_NICE: "SYS_NICE",
		unix.CAP_SYS_RESOURCE: "SYS_RESOURCE", unix.CAP_SYS_TIME: "SYS_TIME", unix.CAP_SYS_TTY_CONFIG: "SYS_TTY_CONFIG",
		unix.CAP_MKNOD: "MKNOD", unix.CAP_LEASE: "LEASE", unix.CAP_AUDIT_WRITE: "AUDIT_WRITE",
		unix.CAP_AUDIT_CONTROL: "AUDIT_CONTROL", unix.CAP_SETFCAP: "SETFCAP", unix.CAP_MAC_OVERRIDE: "MAC_OVERRIDE",
		unix.CAP_MAC_ADMIN: "MAC_ADMIN", unix.CAP_SYSLOG: "SYSLOG", unix.CAP_WAKE_ALARM: "WAKE_ALARM",
		unix.CAP_BLOCK_SUSPEND: "BLOCK_SUSPEND", unix.CAP_AUDIT_READ: "AUDIT_READ", unix.CAP_PERFMON: "PERFMON",
		unix.CAP_BPF: "BPF", unix.CAP_CHECKPOINT_RESTORE: "CHECKPOINT_RESTORE",
	}
	var all []string
	for bit := range 64 {
		switch {
		case mask&(1<<bit) == 0:
		case bit < len(names):
			all = append(all, names[bit])
		default:
			all = append(all, fmt.Sprint(bit))
		}
	}
	if all == nil {
		return []string{"none"}
	}
	return all
}
