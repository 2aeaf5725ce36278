package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"tare/libcontainer"
)

func (a *app) listCommand() *cli.Command {
	var quiet bool
	format := "table"
	return &cli.Command{
		Name:     "list",
		Category: "Looking",
		Usage:    "list the containers below the state root",
		Description: `The owner is the user to whom the container's state belongs. A container whose
state cannot be read is told of on standard error.

NAME list
NAME --root /run/user/1000/tare list --quiet
NAME list --format json | jq -r '.[].id'
`,
		Flags: []cli.Flag{
			stringFlag(&format, "`FORMAT` is table (which is the default) or json", "format", "f"),
			boolFlag(&quiet, "print the ids only", "quiet", "q"),
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 0, 0); err != nil {
				return err
			}
			if err := checkFormat(format); err != nil {
				return err
			}
			states, err := a.states()
			switch {
			case err != nil:
				return err
			case quiet:
				return a.printIDs(states)
			case format == "json":
				return a.printStates(states)
			}
			return a.printTable(states)
		},
	}
}

// states collects what list prints. What cannot be read is told of and left out: one broken container must not
// hide the others.
func (a *app) states() ([]*libcontainer.State, error) {
	root, err := a.stateRoot()
	if err != nil {
		return nil, err
	}
	cts, broken, err := libcontainer.List(root)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it comes with the first container
		if a.global.root != "" {
			a.warnPlainly("--root: " + root + " is not there, and with it no container: is the path right?")
		}
		return nil, nil
	case err != nil && a.global.root != "":
		return nil, fmt.Errorf("--root: %w", err)
	case err != nil:
		return nil, fmt.Errorf("state root: %w", err)
	}
	var states []*libcontainer.State
	for _, ct := range cts {
		st, err := ct.State()
		ct.Close()
		switch {
		case err == nil:
			states = append(states, st)
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, libcontainer.ErrNotExist):
			// Deleted since it was listed.
		default:
			broken = append(broken, err)
		}
	}
	for _, err := range broken {
		a.printError(a.name + ": " + err.Error())
	}
	return states, nil
}

func (a *app) printIDs(states []*libcontainer.State) error {
	var b strings.Builder
	for _, st := range states {
		b.WriteString(st.ID + "\n")
	}
	return a.print(b.String())
}

func (a *app) printTable(states []*libcontainer.State) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 12, 1, 3, ' ', 0)
	fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for _, st := range states {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n",
			st.ID, st.Pid, st.Status, oneLine(st.Bundle), st.Created.Format(time.RFC3339Nano), st.Owner)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return a.print(b.String())
}

// printStates prints one line; no containers are null, as callers know it.
func (a *app) printStates(states []*libcontainer.State) error {
	out, err := json.Marshal(states)
	if err != nil {
		return fmt.Errorf("encode the states: %w", err)
	}
	return a.print(string(out) + "\n")
}
