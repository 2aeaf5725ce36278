package main

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/cli"
	"tare/libcontainer/creds"
	"tare/seccomp"
)

// kind is what completes a value or an argument: one of these, or words.
type kind struct {
	Name  string
	Words []string
}

const (
	nothing     = "none" // a number, a name that is new, a path in the container
	ids         = "id"   // of containers that are there
	files_      = "file"
	directories = "dir"
	commands_   = "command"
	signals_    = "signal" // with SIG once that has been begun
	words       = "words"
)

// command is a cli.Command with what completes it.
type command struct {
	Name    string // with the command that it is below: "seccomp show"; empty: the program itself
	Usage   string
	Only    bool
	Options []option
	Args    []kind
	Last    kind // of all further arguments
	Below   []*command
}

type option struct {
	Names []string
	Usage string
	Value string // what it is called; empty if the option takes none
	Again bool
	Kind  kind
}

// Long and Short are the names without their dashes.
func (o option) Long() string { return strings.TrimPrefix(o.Names[0], "--") }

func (o option) Short() string {
	if len(o.Names) < 2 {
		return ""
	}
	return strings.TrimPrefix(o.Names[1], "-")
}

// resolve gives the program and all of its commands, those below others after them.
func resolve(tree cli.Command) (root *command, all []*command, err error) {
	root, err = complete("", tree)
	var below func(*command, []cli.Command)
	below = func(c *command, commands []cli.Command) {
		for _, sub := range commands {
			resolved, e := complete(strings.TrimSpace(c.Name+" "+sub.Name), sub)
			err = errors.Join(err, e)
			c.Below = append(c.Below, resolved)
			all = append(all, resolved)
			below(resolved, sub.Commands)
		}
	}
	below(root, tree.Commands)
	return root, all, err
}

func complete(name string, from cli.Command) (*command, error) {
	c := &command{Name: name, Usage: from.Usage, Only: from.OnlyArgs, Last: kind{Name: nothing}}
	var errs []error
	for _, o := range from.Options {
		k, err := kindOfValue(name, o)
		errs = append(errs, err)
		c.Options = append(c.Options, option{o.Names, o.Usage, o.Value, o.Again, k})
	}
	for _, arg := range from.Args {
		k, err := kindOfArgument(name, arg)
		errs = append(errs, err)
		if strings.Contains(arg, "...") {
			c.Last = k
			break
		}
		c.Args = append(c.Args, k)
	}
	return c, errors.Join(errs...)
}

// kindOfValue goes by what the help page calls the value.
func kindOfValue(command string, o cli.Option) (kind, error) {
	switch where := command + " " + o.Names[0]; where {
	case "exec --cwd", "exec --cgroup": // not of the host
		return kind{Name: nothing}, nil
	}
	switch o.Value {
	case "":
		return kind{}, nil
	case "DIR":
		return kind{Name: directories}, nil
	case "FILE", "PATH":
		return kind{Name: files_}, nil
	case "FORMAT", "WHEN", "MODE":
		return choices(command, o)
	case "ARCH":
		return kind{words, architectures()}, nil
	case "network": // the only name
		return kind{words, []string{o.Value}}, nil
	case "CAP":
		return kind{words, creds.Names()}, nil
	case "N", "SIZE", "USECS", "LIST", "SCHEMA", "TIME", "VAR=VALUE", "UID[:GID]", "GID", "PROFILE", "LABEL", "HOST:PORT", "TYPE:NAME", "TYPE:LABEL":
		return kind{Name: nothing}, nil
	}
	return kind{}, fmt.Errorf("%s %s %s: completions/kind.go does not say what completes it", command, o.Names[0], o.Value)
}

// kindOfArgument goes by what the help page calls the argument.
func kindOfArgument(command, arg string) (kind, error) {
	switch strings.Trim(arg, "[].") {
	case "ID":
		if command == "create" || command == "run" || command == "restore" { // their id is a new one
			return kind{Name: nothing}, nil
		}
		return kind{Name: ids}, nil
	case "BUNDLE", "PROFILE":
		return kind{Name: files_}, nil
	case "SIGNAL":
		return kind{Name: signals_}, nil
	case "COMMAND":
		if command == "help" {
			return kind{Name: commands_}, nil
		}
		return kind{Name: nothing}, nil // of the container's
	case "ARG", "PS-OPTIONS", "CALL":
		return kind{Name: nothing}, nil
	}
	return kind{}, fmt.Errorf("%s %s: completions/kind.go does not say what completes it", command, arg)
}

// choices are the words that an option takes. Its description has them, too.
func choices(command string, o cli.Option) (kind, error) {
	all := []string{"table", "json"}
	switch {
	case o.Names[0] == "--rootless":
		all = []string{"true", "false", "auto"}
	case o.Names[0] == "--manage-cgroups-mode":
		all = []string{"soft", "full", "strict", "ignore"}
	case o.Names[0] == "--log-format", command == "check":
		all = []string{"text", "json"}
	}
	for _, word := range all {
		if !strings.Contains(o.Usage, word) {
			return kind{}, fmt.Errorf("%s %s: its description does not say %q: %s", command, o.Names[0], word, o.Usage)
		}
	}
	return kind{words, all}, nil
}

func architectures() (all []string) {
	for _, known := range seccomp.Archs() {
		all = append(all, strings.ToLower(strings.TrimPrefix(known, "SCMP_ARCH_")))
	}
	return all
}

// signals are the classic ones; the names of the others say nothing.
func signals() (all []string) {
	for n := unix.Signal(1); n < 32; n++ {
		all = append(all, strings.TrimPrefix(unix.SignalName(n), "SIG"))
	}
	return all
}
