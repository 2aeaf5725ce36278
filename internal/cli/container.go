package cli

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"tare/libcontainer"
)

// onContainer makes the action of a command that takes an id and does one thing to its container.
func (a *app) onContainer(do func(*libcontainer.Container) error) cli.ActionFunc {
	return func(_ context.Context, c *cli.Command) error {
		if err := a.wantArgs(c, 1, 1); err != nil {
			return err
		}
		ct, err := a.load(c.Args().First())
		if err == nil {
			defer ct.Close()
			err = do(ct)
		}
		return about(c, err)
	}
}

// about says in an error what was attempted on which container.
func about(c *cli.Command, err error) error {
	id := c.Args().First()
	if err == nil || id == "" {
		return err
	}
	return fmt.Errorf("%s %s: %w", c.Name, id, err)
}

// load finds the container named id below the state root.
func (a *app) load(id string) (*libcontainer.Container, error) {
	root, err := a.stateRoot()
	if err != nil {
		return nil, err
	}
	return libcontainer.Load(root, id)
}
