package cli

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v3"
)

// The options of the program and of its commands. All are Local: the library need not look for them beyond their own
// command. What an option stands at before parsing is its default. A word in backquotes in its usage is its placeholder.

func stringFlag(to *string, usage, name string, aliases ...string) cli.Flag {
	return &cli.StringFlag{Name: name, Aliases: aliases, Usage: usage, Local: true, Value: *to, Destination: to}
}

func boolFlag(to *bool, usage, name string, aliases ...string) cli.Flag {
	return &cli.BoolFlag{Name: name, Aliases: aliases, Usage: usage, Local: true, Value: *to, Destination: to}
}

// intFlag reads decimal numbers only: 010 is ten.
func intFlag(to *int, usage, name string) cli.Flag {
	return &cli.IntFlag{Name: name, Usage: usage, Local: true, Value: *to, Destination: to, Config: cli.IntegerConfig{Base: 10}}
}

// durationFlag reads what time.ParseDuration does: 1m30s.
func durationFlag(to *time.Duration, usage, name string) cli.Flag {
	return &cli.DurationFlag{Name: name, Usage: usage, Local: true, Value: *to, Destination: to}
}

// hiddenFlag is an option that only old callers know.
func hiddenFlag(to *string, name string) cli.Flag {
	return &cli.StringFlag{Name: name, Hidden: true, Local: true, Destination: to}
}

// listFlag is given once for each entry.
func listFlag(to *[]string, usage, name string, aliases ...string) cli.Flag {
	return &cli.StringSliceFlag{Name: name, Aliases: aliases, Usage: usage, Local: true, Destination: to}
}

func helpFlag(to *bool) cli.Flag {
	return boolFlag(to, "print this page and leave", "help", "h")
}

func versionFlag(to *bool) cli.Flag {
	return boolFlag(to, "print the version and leave", "version", "v")
}

// checkFormat refuses what --format of list and ps does not know.
func checkFormat(format string) error {
	if format != "table" && format != "json" {
		return fmt.Errorf("--format: invalid format option %q: table and json are there", format)
	}
	return nil
}
