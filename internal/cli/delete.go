package cli

import (
	"context"

	"github.com/urfave/cli/v3"

	"tare/libcontainer"
)

func (a *app) deleteCommand() *cli.Command {
	var force bool
	return &cli.Command{
		Name:      "delete",
		Category:  "Life of a container",
		Usage:     "remove a stopped container, or one that was never started",
		ArgsUsage: "ID",
		Description: `Removes its cgroup and its state; the bundle stays. With --force a running
container is killed first, and an id that does not exist is no error.

NAME delete web
NAME delete --force web
`,
		Flags: []cli.Flag{
			boolFlag(&force, "kill a running container with SIGKILL", "force", "f"),
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 1, 1); err != nil {
				return err
			}
			root, err := a.stateRoot()
			if err != nil {
				return err
			}
			return about(c, libcontainer.Delete(root, c.Args().First(), libcontainer.DeleteOptions{Force: force, Warn: warn}))
		},
	}
}
