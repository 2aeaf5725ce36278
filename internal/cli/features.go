package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v3"

	"tare/libcontainer/features"
)

func (a *app) featuresCommand() *cli.Command {
	return &cli.Command{
		Name:     "features",
		Category: "Before a container",
		Usage:    "print what this build can do as JSON",
		Description: `The document follows the OCI runtime specification (features.md). It tells of
the program, not of the host.

NAME features | jq .linux.namespaces
`,
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 0, 0); err != nil {
				return err
			}
			out, err := json.MarshalIndent(features.For(version, commit), "", "    ")
			if err != nil {
				return fmt.Errorf("encode the features: %w", err)
			}
			return a.print(string(out) + "\n")
		},
	}
}
