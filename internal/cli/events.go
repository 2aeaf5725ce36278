package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"tare/libcontainer"
)

func (a *app) eventsCommand() *cli.Command {
	interval, once := 5*time.Second, false
	return &cli.Command{
		Name:      "events",
		Category:  "Looking",
		Usage:     "print what a container uses, and OOM kills, as they come",
		ArgsUsage: "ID",
		Description: `One JSON object a line: stats after each interval, and an event at once when a
process was killed for want of memory. It ends with the container.

NAME events --stats web | jq .data.memory.usage
NAME events --interval 30s web
`,
		Flags: []cli.Flag{
			durationFlag(&interval, "print stats each `TIME`, such as 500ms or 1m; 5s is the default", "interval"),
			boolFlag(&once, "print the stats of now, and leave", "stats"),
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 1, 1); err != nil {
				return err
			}
			if interval <= 0 {
				return fmt.Errorf("--interval: duration interval must be greater than 0, got %v", interval)
			}
			return about(c, a.events(c.Args().First(), interval, once))
		},
	}
}

func (a *app) events(id string, interval time.Duration, once bool) error {
	ct, err := a.load(id)
	if err != nil {
		return err
	}
	defer ct.Close()
	if once {
		event, err := ct.Stats()
		if err != nil {
			return err
		}
		return a.printEvent(event)
	}
	reader := -1
	if f, ok := a.stdout.(*os.File); ok {
		reader = int(f.Fd())
	}
	err = ct.Events(libcontainer.EventsOptions{Interval: interval, Emit: a.printEvent, Reader: reader})
	if errors.Is(err, unix.EPIPE) {
		return nil // who asked for them has heard enough
	}
	return err
}

func (a *app) printEvent(event *libcontainer.Event) error {
	out, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("encode the event: %w", err)
	}
	return a.print(string(out) + "\n")
}
