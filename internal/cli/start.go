package cli

import (
	"github.com/urfave/cli/v3"

	"tare/libcontainer"
)

func (a *app) startCommand() *cli.Command {
	return &cli.Command{
		Name:      "start",
		Category:  "Life of a container",
		Usage:     "let the process of a created container run",
		ArgsUsage: "ID",
		Description: `Leaves as soon as the process runs. It works once in the life of a container.

NAME create --bundle /srv/web web && NAME start web
`,
		Action: a.onContainer((*libcontainer.Container).Start),
	}
}
