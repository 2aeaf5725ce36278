package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"tare/libcontainer"
)

func (a *app) runCommand() *cli.Command {
	o := &createOptions{}
	var ro libcontainer.RunOptions
	var record string
	return &cli.Command{
		Name:      "run",
		Category:  "Life of a container",
		Usage:     "create a container, start it and wait for its end",
		ArgsUsage: "ID",
		Description: `The exit code is that of the container's process, or 128+N if signal N ended it.

NAME run --bundle /srv/web web
NAME run --detach --bundle /srv/web --pid-file /run/web.pid web
`,
		Flags: append(o.flags(),
			boolFlag(&ro.Detach, "leave once the container's process runs", "detach", "d"),
			boolFlag(&ro.Keep, "keep the stopped container until delete", "keep"),
			boolFlag(&ro.NoSubreaper, "do not adopt the container's orphaned processes", "no-subreaper"),
			stringFlag(&record, "add what the workload calls to the seccomp profile in `FILE`", "record-seccomp")),
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 1, 1); err != nil {
				return err
			}
			err := setRecord(&ro, record)
			if err == nil {
				ro.CreateOptions, err = a.createOptions(o, c.Args().First())
			}
			if err == nil {
				a.exitCode, err = libcontainer.Run(ro)
			}
			if err != nil {
				return fmt.Errorf("%s run failed: %w", a.name, err)
			}
			return nil
		},
	}
}

// setRecord completes the path of the profile to record: whoever records has to stay as long as the workload.
func setRecord(ro *libcontainer.RunOptions, path string) (err error) {
	if path == "" {
		return nil
	}
	if ro.Detach {
		return errors.New("--record-seccomp: cannot be combined with --detach, as this process watches the workload to its end")
	}
	ro.RecordSeccomp, err = absolute("--record-seccomp", path)
	return err
}
