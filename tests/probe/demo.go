package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// demo prints for a person what this container is: one aligned line per fact, one block per topic.
func demo([]string) {
	status := readStatus()
	u := uts()
	fmt.Println("Hello from inside the container.")
	topic("Process")
	fact("pid", os.Getpid())
	fact("parent", os.Getppid())
	fact("user", fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()))
	fact("directory", getcwd())
	fact("arguments", strings.Join(os.Args, " "))
	fact("hostname", u.Hostname)
	fact("processes seen", strings.Join(processes(), ", "))

	topic("Namespaces")
	own := namespaces()
	for _, kind := range []string{"user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time"} {
		if own[kind] != "" {
			fact(kind, own[kind])
		}
	}

	topic("Limits (from /sys/fs/cgroup)")
	for _, file := range []string{"memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max", "cpuset.cpus.effective"} {
		fact(file, orAbsent(lines("/sys/fs/cgroup/"+file)))
	}
	for _, line := range lines("/proc/self/cgroup") {
		fact("cgroup", line)
	}

	topic("Security")
	fact("capabilities", strings.Join(capabilities(hex(status["CapEff"])), " "))
	fact("no new privileges", status["NoNewPrivs"])
	fact("seccomp", seccompMode(status["Seccomp"])+", filters: "+status["Seccomp_filters"])

	topic("Mounts")
	for _, m := range mounts() {
		fact(m.Point, m.Type+" "+m.Options)
	}
}

func topic(name string) { fmt.Printf("\n%s\n", name) }

func fact(name string, value any) { fmt.Printf("  %-24s %v\n", name, value) }

func orAbsent(text []string) string {
	if len(text) == 0 {
		return "-"
	}
	return strings.Join(text, " ")
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
