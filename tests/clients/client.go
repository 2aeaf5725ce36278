package main

import (
	"context"
	"maps"
	"slices"
)

// A client is a manager together with a way to use it: as root or as an ordinary user, with one cgroup driver or the other.
type client struct {
	name string // in the table: "podman", "podman rootless", "containerd, systemd"

	// version says what is driven, for the table: "podman 4.3.1". An error says why it cannot be driven on this machine at all, such as
	// a program that is not installed, and is the whole column's reason.
	version func(ctx context.Context) (string, error)

	// open starts what the client needs (a daemon, a configuration) for s.runtime, and gives its features.
	// What it has started it ends by s.cleanup.
	open func(s *scene) actions

	// without says of each feature that the client's users do not have why that is so.
	without map[string]string
}

// actions are a client's functions by the names of the features.
type actions map[string]func(*scene)

// clients are all that are known, in the order of the table.
var clients = []client{
	{"containerd", ctrVersion, openCtr, ctrWithout},
	{"containerd, systemd", ctrSystemdVersion, openCtrSystemd, ctrWithout},
	{"containerd 2", ctr2Version, openCtr2, ctrWithout},
	{name: "CRI", version: criVersion, open: openCRI, without: criWithout},
	{name: "CRI, systemd", version: criSystemdVersion, open: openCRISystemd, without: criSystemdWithout()},
	{name: "CRI-O", version: crioVersion, open: openCRIO, without: crioWithout},
	{name: "CRI-O, systemd", version: crioSystemdVersion, open: openCRIOSystemd, without: crioWithout},
	{"docker", dockerVersion, openDocker(false), dockerWithout},
	{"docker, systemd", dockerSystemdVersion, openDocker(true), dockerWithout},
	podmanClient("podman", "cgroupfs"),
	podmanClient("podman, systemd", "systemd"),
	podmanRootlessClient(),
	buildahClient(),
	buildahRootlessClient(),
}

// gaps names the features that a client has neither a function nor a reason for, and names that are no feature.
func (c *client) gaps(do actions) []string {
	var wrong []string
	known := map[string]bool{}
	for _, f := range features {
		known[f.name] = true
		_, reason := c.without[f.name]
		if (do[f.name] == nil) == !reason {
			wrong = append(wrong, c.name+": "+f.name+": needs either a function or a reason to have none")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(do)) {
		if !known[name] {
			wrong = append(wrong, c.name+": "+name+": is no feature")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.without)) {
		if !known[name] {
			wrong = append(wrong, c.name+": "+name+": is no feature")
		}
	}
	return wrong
}
