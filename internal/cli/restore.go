package cli

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"tare/libcontainer"
)

func (a *app) restoreCommand() *cli.Command {
	o := &criuOptions{}
	create := &createOptions{}
	var ro libcontainer.RestoreOptions
	return &cli.Command{
		Name:      "restore",
		Category:  "Changing",
		Usage:     "create a container whose processes go on where a checkpoint left them",
		ArgsUsage: "ID",
		Description: `The bundle is that of the checkpoint, or one like it: mounts, namespaces and limits
are taken from its config.json. In the foreground the exit code is that of the
container's process, or 128+N if signal N ended it.

NAME restore --image-path /srv/web/images --bundle /srv/web web
NAME restore --image-path /srv/web/images --bundle /srv/web --detach web
`,
		Flags: append(append(create.flags(), o.flags()...),
			boolFlag(&ro.Detach, "leave once the container's processes run", "detach", "d"),
			boolFlag(&ro.NoSubreaper, "do not adopt the container's orphaned processes", "no-subreaper"),
			boolFlag(&ro.TCPClose, "close TCP connections that were established", "tcp-close"),
			stringFlag(&ro.LSMProfile, "the processes get the label `TYPE:LABEL`: selinux:… or apparmor:…", "lsm-profile"),
			stringFlag(&ro.LSMMountContext, "mounts get the SELinux label `LABEL`", "lsm-mount-context")),
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 1, 1); err != nil {
				return err
			}
			err := o.complete(&ro.CRIUOptions)
			if err == nil {
				ro.CreateOptions, err = a.createOptions(create, c.Args().First())
			}
			if err == nil {
				a.exitCode, err = libcontainer.Restore(ro)
			}
			if err != nil {
				return fmt.Errorf("%s restore failed: %w", a.name, err)
			}
			return nil
		},
	}
}
