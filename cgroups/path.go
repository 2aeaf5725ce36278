package cgroups

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"

	"tare/internal/sys"
)

// containerPath is where in the v2 tree the container's cgroup is: a clean path that begins with a slash.
func containerPath(cfg Config) (string, error) {
	if strings.HasPrefix(cfg.Path, "/") {
		return join("/", cfg)
	}
	own, err := sys.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("find our own cgroup: %w", err)
	}
	base, err := ownParent(own)
	if err != nil {
		return "", fmt.Errorf("find our own cgroup: %w: give an absolute linux.cgroupsPath (/linux/cgroupsPath)", err)
	}
	return join(base, cfg)
}

// join puts the container's path, or its id, below base. Its `..` do not lead out of base.
func join(base string, cfg Config) (string, error) {
	name := cfg.Path
	if name == "" {
		name = cfg.ID
	}
	below := path.Clean("/" + name)
	if below == "/" {
		return "", fmt.Errorf("linux.cgroupsPath (/linux/cgroupsPath): %q names no cgroup but the root", name)
	}
	if strings.ContainsAny(below, "\n\x00") {
		return "", fmt.Errorf("linux.cgroupsPath (/linux/cgroupsPath): %q has a character that no cgroup's name may have", name)
	}
	return path.Join(base, below), nil
}

// ownParent takes the parent of the v2 cgroup from the text of /proc/self/cgroup. A cgroup with processes in it, which ours
// has, can give no controllers to cgroups below it: so containers are made beside ours.
func ownParent(text []byte) (string, error) {
	own, ok := unifiedPath(text)
	if !ok {
		return "", errors.New("no line for cgroup v2 in /proc/self/cgroup")
	}
	if !strings.HasPrefix(own, "/") || own == "/.." || strings.HasPrefix(own, "/../") {
		return "", fmt.Errorf("%q is outside of our cgroup namespace", own)
	}
	return path.Dir(path.Clean(own)), nil
}

// unifiedPath takes the v2 cgroup from the text of /proc/PID/cgroup.
func unifiedPath(text []byte) (string, bool) {
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		if own, ok := strings.CutPrefix(string(line), "0::"); ok {
			return strings.TrimSuffix(own, " (deleted)"), true
		}
	}
	return "", false
}
