package cli

import (
	"strings"

	"github.com/urfave/cli/v3"
)

// Command describes a command to those who generate something from the command line: shell completions.
type Command struct {
	Name     string   // of a command below another one the last word
	Usage    string   // what it does
	Args     []string // its arguments, as the help page names them: ID, [SIGNAL]
	OnlyArgs bool     // what follows its first argument are arguments, whatever they look like
	Options  []Option
	Commands []Command
}

// Option is one of a command's options.
type Option struct {
	Names []string // with their dashes, the long one first
	Usage string
	Value string // what its value is called, such as DIR; empty if it takes none
	Again bool   // it may be given many times
}

// Tree is the whole command line. The program has no use for it, as it makes no more than the command that was asked for.
func Tree() Command {
	a := &app{name: "tare"}
	root := Command{Name: a.name, Options: options(append(a.global.flags(), helpFlag(new(bool)), versionFlag(new(bool))))}
	for _, name := range commandNames() {
		c := describe(a.command(name))
		if name == "seccomp" {
			c.Args, c.Commands = nil, []Command{describe(a.seccompShowCommand()), describe(a.seccompDiffCommand())}
		}
		root.Commands = append(root.Commands, c)
	}
	help := Command{Name: "help", Usage: "print the help page of a command", Args: []string{"[COMMAND]"}}
	root.Commands = append(root.Commands, help)
	return root
}

func describe(c *cli.Command) Command {
	return Command{
		Name:     c.Name[strings.LastIndexByte(c.Name, ' ')+1:],
		Usage:    c.Usage,
		Args:     strings.Fields(c.ArgsUsage),
		OnlyArgs: c.StopOnNthArg != nil,
		Options:  options(append(c.Flags, helpFlag(new(bool)))),
	}
}

// options are those that the help page shows.
func options(flags []cli.Flag) (all []Option) {
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); !ok || !v.IsVisible() {
			continue
		}
		var o Option
		for _, name := range f.Names() {
			dashes := "--"
			if len(name) == 1 {
				dashes = "-"
			}
			o.Names = append(o.Names, dashes+name)
		}
		o.Usage, o.Value = unquote(f.(cli.DocGenerationFlag).GetUsage())
		_, o.Again = f.(*cli.StringSliceFlag)
		all = append(all, o)
	}
	return all
}
