package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"
)

// Set by the linker: -X tare/internal/cli.version=1.0.0 -X tare/internal/cli.commit=…
var version, commit string

// app is one invocation of the program.
type app struct {
	name   string // "tare", or "runc" if started under that name
	global globalOptions
	log    logTarget

	stdout io.Writer
	stderr io.Writer

	exitCode int // of a command that succeeded: the workload's, for a foreground run
}

// Main runs the command line args (args[0] is the program's name) and returns the exit code.
func Main(args []string) int {
	a := &app{name: programName(args), stdout: os.Stdout, stderr: os.Stderr}
	return a.report(a.run(args))
}

// programName is the name under which the program speaks of itself. Clients that look for "runc version" or
// "runc create failed" find them if tare was installed as runc.
func programName(args []string) string {
	if len(args) > 0 && filepath.Base(args[0]) == "runc" {
		return "runc"
	}
	return "tare"
}

// run parses the global options and hands the rest to the command.
func (a *app) run(args []string) error {
	var help, showVersion bool
	one := 1
	root := &cli.Command{
		Name: a.name,
		Flags: append(a.global.flags(),
			helpFlag(&help),
			versionFlag(&showVersion)),
		// Everything after the command's name belongs to the command.
		StopOnNthArg: &one,
	}
	root.Action = func(_ context.Context, c *cli.Command) error {
		switch {
		case showVersion:
			return a.printVersion()
		case !c.Args().Present():
			return a.printRootHelp(root)
		case help:
			return a.helpFor(root, c.Args().First())
		}
		return a.dispatch(root, c.Args().Slice())
	}
	return a.parse(root, args)
}

// dispatch builds the one command that was asked for and runs it. Building all of them, as the library means it, was
// measured at 0.2 to 0.4 ms in each process; this takes 0.02 ms on top of parsing the global options.
func (a *app) dispatch(root *cli.Command, args []string) error {
	if args[0] == "help" || args[0] == "h" {
		if len(args) == 1 {
			return a.printRootHelp(root)
		}
		return a.helpFor(root, args[1])
	}
	if err := a.openLog(); err != nil {
		return err
	}
	c := a.command(args[0])
	if c == nil {
		return a.unknownCommand(args[0])
	}
	return a.call(c, args)
}

// call runs a command with its --help; args[0] is its name.
func (a *app) call(c *cli.Command, args []string) error {
	var help bool
	c.Flags = append(c.Flags, helpFlag(&help))
	action := c.Action
	c.Action = func(ctx context.Context, c *cli.Command) error {
		if help {
			return a.printHelp(c)
		}
		a.debug(c)
		return action(ctx, c)
	}
	return a.parse(c, args)
}

// command makes the named command, or nil if there is none.
func (a *app) command(name string) *cli.Command {
	switch name {
	case "spec":
		return a.specCommand()
	case "create":
		return a.createCommand()
	case "start":
		return a.startCommand()
	case "run":
		return a.runCommand()
	case "state":
		return a.stateCommand()
	case "list":
		return a.listCommand()
	case "exec":
		return a.execCommand()
	case "kill":
		return a.killCommand()
	case "delete":
		return a.deleteCommand()
	case "pause":
		return a.pauseCommand()
	case "resume":
		return a.resumeCommand()
	case "update":
		return a.updateCommand()
	case "checkpoint":
		return a.checkpointCommand()
	case "restore":
		return a.restoreCommand()
	case "ps":
		return a.psCommand()
	case "events":
		return a.eventsCommand()
	case "features":
		return a.featuresCommand()
	case "check":
		return a.checkCommand()
	case "seccomp":
		return a.seccompCommand()
	}
	return nil
}

// commandNames are the commands in the order of the help page.
func commandNames() []string {
	return []string{
		"run", "create", "start", "exec", "kill", "delete", "pause", "resume", "update", "checkpoint", "restore",
		"state", "list", "ps", "events", "spec", "check", "features", "seccomp",
	}
}

// parse runs c with the library's own output switched off: usage errors go the way of all errors.
func (a *app) parse(c *cli.Command, args []string) error {
	c.HideHelp, c.HideHelpCommand, c.HideVersion = true, true, true
	// The library's help flag looks for commands in the tree, which is never built (see dispatch); ours replaces it.
	cli.HelpFlag = nil
	// A comma in a value is part of the value.
	c.DisableSliceFlagSeparator = true
	c.Writer, c.ErrWriter = io.Discard, io.Discard
	c.ExitErrHandler = func(context.Context, *cli.Command, error) {}
	c.OnUsageError = func(_ context.Context, c *cli.Command, err error, _ bool) error {
		if c.Name != a.name && isGlobalOption(undefinedFlag(err)) {
			return fmt.Errorf("%w: it is a global option, which stands before the command (see %s --help)", err, a.name)
		}
		if name := undefinedFlag(err); name != "" {
			return fmt.Errorf("%w%s (see %s)", err, optionHint(c, name), a.helpHint(c))
		}
		return fmt.Errorf("%w (see %s)", err, a.helpHint(c))
	}
	// A fresh context: the library would take the root command found in ours for a parent and look for its flags.
	return c.Run(context.Background(), args)
}

// undefinedFlag is the name of the option that the library does not know, if that is what err says.
func undefinedFlag(err error) string {
	_, name, _ := strings.Cut(err.Error(), "not defined: -")
	return strings.TrimLeft(name, "-")
}

// exitError is an error with an exit code of its own; all others exit with 1.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func exitCode(err error) int {
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return 1
}

func (a *app) unknownCommand(name string) error {
	hint := didYouMean(likeCommand(name))
	if hint == "" {
		hint = ": there is no such command"
	}
	//lint:ignore ST1005 the words that scripts know
	return &exitError{3, fmt.Errorf("No help topic for '%s'%s (see %s --help)", name, hint, a.name)}
}

// wantArgs refuses a wrong number of positional arguments.
func (a *app) wantArgs(c *cli.Command, least, most int) error {
	n := c.Args().Len()
	switch {
	case least == most && n != least:
		return fmt.Errorf("%s: %q requires exactly %d argument(s), got %d (see %s)", a.name, c.Name, least, n, a.helpHint(c))
	case n < least:
		return fmt.Errorf("%s: %q requires a minimum of %d argument(s), got %d (see %s)", a.name, c.Name, least, n, a.helpHint(c))
	case n > most:
		return fmt.Errorf("%s: %q requires a maximum of %d argument(s), got %d (see %s)", a.name, c.Name, most, n, a.helpHint(c))
	}
	return nil
}
