package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// processesOf lists who was started for the directory of a run: by command line, environment or root, PID and command line of each.
// A container's processes are among them, as the root is below it.
func processesOf(dir string) []string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return []string{err.Error()}
	}
	var all []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		environment, _ := os.ReadFile("/proc/" + e.Name() + "/environ")
		if strings.Contains(string(line)+string(environment)+rootMount(e.Name()), filepath.Base(dir)) {
			all = append(all, fmt.Sprintf("%d %s", pid, strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))))
		}
	}
	return all
}

// endProcesses ends whoever is left of those that were started for a directory: containerd forgets the shim of a pod that is being made when
// its client goes.
func (s *scene) endProcesses(dir string) {
	for _, p := range processesOf(dir) {
		number, _, _ := strings.Cut(p, " ")
		if pid, err := strconv.Atoi(number); err == nil {
			s.logf("ending %s: %v", p, unix.Kill(pid, unix.SIGKILL))
		}
	}
}

// rootMount is what /proc/PID/mountinfo says of the process' root. All else there is of the mount namespace, which may be the host's.
func rootMount(pid string) string {
	text, _ := os.ReadFile("/proc/" + pid + "/mountinfo")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == "/" {
			return line
		}
	}
	return ""
}

// cgroupsNamed lists cgroups with the text in their names, of all hierarchies.
func cgroupsNamed(text string) []string {
	var all []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error { // what goes while we look is not left
		if err == nil && d.IsDir() && strings.Contains(d.Name(), text) {
			all = append(all, path)
		}
		return nil
	})
	return all
}

// entries lists what is in a directory; nothing, if it is not there.
func entries(dir string) []string {
	var all []string
	list, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		all = append(all, err.Error())
	}
	for _, e := range list {
		all = append(all, dir+"/"+e.Name())
	}
	return all
}

// leftBehind fails with whatever is in the list, after a while: the last process of a container may be on its way out.
func (s *scene) leftBehind(what string, list func() []string) {
	s.eventually(what+" are left", func() error {
		if all := list(); len(all) > 0 {
			return fmt.Errorf("%s", strings.Join(all, ", "))
		}
		return nil
	})
}
