package cgroups

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"tare/cgroups/v2"
	"tare/internal/sys"
)

// Where systemd and everybody else mount cgroup file systems: v2 alone, or v1 with v2 beside it (hybrid).
const (
	cgroupRoot  = "/sys/fs/cgroup"
	unifiedRoot = "/sys/fs/cgroup/unified"
)

// openTree opens the v2 tree, found by looking at the two places, which is two statfs(2) and no scan of the mount table. Without
// one it is nil.
func openTree() (*v2.Tree, error) {
	for _, mount := range []string{cgroupRoot, unifiedRoot} {
		if magic, err := sys.StatfsType(mount); err == nil && magic == unix.CGROUP2_SUPER_MAGIC {
			return v2.OpenTree(mount)
		}
	}
	return nil, nil
}

// checkControllers refuses a setting whose controller the tree does not have.
func checkControllers(tree *v2.Tree, settings []v2.Setting) error {
	for _, s := range settings {
		name := s.Controller()
		if name == "" || slices.Contains(tree.Controllers, name) {
			continue
		}
		if dir := v1Dir(name); tree.Mount == unifiedRoot && dir != "" {
			return fmt.Errorf("%s: the %s controller is on cgroup v1 (%s) on this host: %w", v2.Field(s.Pointer), name, dir, ErrOnV1)
		}
		return fmt.Errorf("%s: the cgroup tree at %s has no %s controller: the kernel lacks it, or it was turned off with cgroup_disable=",
			v2.Field(s.Pointer), tree.Mount, name)
	}
	return nil
}

// v1Dir is where a hybrid host has the v1 controller of that v2 name, "" if it has none.
func v1Dir(name string) string {
	if name == "io" {
		name = "blkio"
	}
	dir := cgroupRoot + "/" + name
	if magic, err := sys.StatfsType(dir); err != nil || magic != unix.CGROUP_SUPER_MAGIC {
		return ""
	}
	return dir
}
