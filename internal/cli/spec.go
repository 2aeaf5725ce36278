package cli

import (
	"context"
	"os"

	"github.com/urfave/cli/v3"

	"tare/libcontainer/bundle"
)

func (a *app) specCommand() *cli.Command {
	var dir string
	var rootless bool
	return &cli.Command{
		Name:     "spec",
		Category: "Before a container",
		Usage:    "write a config.json to start from",
		Description: `It describes a shell in a container with namespaces of its own and few
privileges, on the root file system in rootfs. An existing config.json is left
alone.

mkdir -p web/rootfs
NAME spec --bundle web
`,
		Flags: []cli.Flag{
			stringFlag(&dir, "write into `DIR`, not the current directory", "bundle", "b"),
			boolFlag(&rootless, "for a user without privileges: a user namespace, no limits", "rootless"),
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 0, 0); err != nil {
				return err
			}
			abs, err := absolute("--bundle", dir)
			if err != nil {
				return err
			}
			return bundle.WriteDefault(abs, bundle.DefaultOptions{
				Rootless:        rootless,
				UID:             uint32(os.Geteuid()),
				GID:             uint32(os.Getegid()),
				CgroupNamespace: hasCgroup2(),
			})
		},
	}
}

// hasCgroup2 reports whether the host's cgroups are version 2 alone.
func hasCgroup2() bool {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	return err == nil
}
