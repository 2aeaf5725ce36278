package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// environment names the kind of machine: hybrid, or vm where cgroup v2 is alone.
func environment() string {
	if isCgroupV2() {
		return "vm"
	}
	return "hybrid"
}

func isCgroupV2() bool {
	var fs unix.Statfs_t
	return unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// hasSystemd says whether systemd is the host's init, as sd_booted(3) finds out.
func hasSystemd() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// canRaiseLimits says whether root may raise hard limits and lower oom_score_adj; some sandboxes take CAP_SYS_RESOURCE away.
func canRaiseLimits() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(status), "CapEff:\t")
	var effective uint64
	_, err = fmt.Sscanf(rest, "%x", &effective)
	return err == nil && effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

// machine says where a run took place.
func machine() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "Linux"
	}
	cgroups := "cgroup v1 with an empty v2 hierarchy beside it"
	if isCgroupV2() {
		cgroups = "cgroup v2"
	}
	if hasSystemd() {
		cgroups += ", systemd"
	}
	return fmt.Sprintf("Linux %s, %s", unix.ByteSliceToString(u.Release[:]), cgroups)
}

// mountsBelow lists where something is mounted in a directory.
func mountsBelow(dir string) []string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return []string{err.Error()}
	}
	var all []string
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			all = append(all, f[4])
		}
	}
	return all
}

// removeTree removes a directory of the run's own, but never through a mount: what is bound there is not ours.
func removeTree(dir string) {
	if left := mountsBelow(dir); left != nil {
		fmt.Printf("%s stays: mounted below it: %s\n", dir, strings.Join(left, " "))
		return
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Println(err)
	}
}
