package cli

import (
	"errors"
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

func intFlag(to *int, usage, name string) cli.Flag {
	return &cli.GenericFlag{Name: name, Usage: usage, Local: true, Value: &parsed[int]{to, parseInteger[int]}}
}

func durationFlag(to *time.Duration, usage, name string) cli.Flag {
	return &cli.GenericFlag{Name: name, Usage: usage, Local: true, Value: &parsed[time.Duration]{to, parseDuration}}
}

// parsed is a value with errors for people: those of the library are Go's own.
type parsed[T any] struct {
	to    *T
	parse func(string) (T, error)
}

func (p *parsed[T]) Set(s string) error {
	v, err := p.parse(s)
	if err == nil {
		*p.to = v
	}
	return err
}

func (p *parsed[T]) Get() any       { return *p.to }
func (p *parsed[T]) String() string { return fmt.Sprint(*p.to) }

// parseDuration reads 500ms, 5s and 1m30s.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New("want a number with its unit, such as 500ms, 5s or 1m30s")
	}
	return d, nil
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
