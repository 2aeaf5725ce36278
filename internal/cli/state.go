package cli

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v3"

	"tare/libcontainer"
)

func (a *app) stateCommand() *cli.Command {
	return &cli.Command{
		Name:      "state",
		Category:  "Looking",
		Usage:     "print the state of a container as JSON",
		ArgsUsage: "ID",
		Description: `The status is one of creating, created, running, paused and stopped; pid is 0
once it is stopped.

NAME state web
NAME state web | jq -r .status
`,
		Action: a.onContainer(func(ct *libcontainer.Container) error {
			st, err := ct.State()
			if err != nil {
				return err
			}
			return a.printState(st)
		}),
	}
}

// printState prints a state. There is no newline at the end; the space after the colons is what some
// callers search for.
func (a *app) printState(st *libcontainer.State) error {
	out, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the state: %w", err)
	}
	return a.print(string(out))
}
