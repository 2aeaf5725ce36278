package cli

import (
	"github.com/urfave/cli/v3"

	"tare/libcontainer"
)

func (a *app) pauseCommand() *cli.Command {
	return &cli.Command{
		Name:      "pause",
		Category:  "Changing",
		Usage:     "stop all processes of a container where they are",
		ArgsUsage: "ID",
		Description: `They go on with NAME resume. Meanwhile only SIGKILL reaches them; other signals
wait.

NAME pause web && NAME state web | jq -r .status
`,
		Action: a.onContainer((*libcontainer.Container).Pause),
	}
}
