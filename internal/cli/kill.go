package cli

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"
)

func (a *app) killCommand() *cli.Command {
	var all bool
	one := 1
	return &cli.Command{
		Name:      "kill",
		Category:  "Life of a container",
		Usage:     "send a signal to a container's first process",
		ArgsUsage: "ID [SIGNAL]",
		Description: `SIGNAL is a number, or a name with or without SIG: TERM (which is the default),
sigkill, RTMIN+3. 0 only asks whether there is a process.

NAME kill web
NAME kill web KILL
NAME kill web SIGRTMIN+3
`,
		Flags: []cli.Flag{
			// containerd and Podman pass it with their last SIGKILL, when the container may be gone already.
			boolFlag(&all, "signal every process; a stopped container is no error", "all", "a"),
		},
		StopOnNthArg: &one,
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 1, 2); err != nil {
				return err
			}
			sig := unix.SIGTERM
			if s := c.Args().Get(1); s != "" {
				var err error
				if sig, err = parseSignal(s); err != nil {
					return fmt.Errorf("%w%s (see %s)", err, killOrder(c.Args().First(), s), a.helpHint(c))
				}
			}
			ct, err := a.load(c.Args().First())
			if err == nil {
				defer ct.Close()
				err = ct.Kill(sig, all)
			}
			return about(c, err)
		},
	}
}
