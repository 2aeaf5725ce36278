package cli

import (
	"github.com/urfave/cli/v3"

	"tare/libcontainer"
)

func (a *app) resumeCommand() *cli.Command {
	return &cli.Command{
		Name:      "resume",
		Category:  "Changing",
		Usage:     "let the processes of a paused container run",
		ArgsUsage: "ID",
		Description: `They go on where NAME pause stopped them.

NAME resume web
`,
		Action: a.onContainer((*libcontainer.Container).Resume),
	}
}
