package cli

import (
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"tare/internal/document"
)

// didYouMean is the end of an error about a word that nobody knows; empty if nothing is meant.
func didYouMean(meant string) string {
	if meant == "" {
		return ""
	}
	return ": did you mean " + meant + "?"
}

// likeCommand is the command that was meant by one that is not there: a slip of the finger, or what managers call it.
func likeCommand(name string) string {
	switch name {
	case "ls":
		return "list"
	case "rm", "remove":
		return "delete"
	case "stop":
		return "kill"
	case "inspect":
		return "state"
	case "unpause":
		return "resume"
	case "top":
		return "ps"
	case "stats":
		return "events --stats"
	case "version":
		return "--version"
	case "info":
		return "features"
	}
	return document.Nearest(commandNames(), name)
}

// likeOption is the long option of c that was meant by one that is not there.
func likeOption(c *cli.Command, name string) string {
	var names []string
	for _, f := range c.VisibleFlags() {
		names = append(names, f.Names()[0])
	}
	if near := document.Nearest(names, name); near != "" {
		return "--" + near
	}
	return ""
}

// optionHint is the end of an error about an option that c does not have: what stands for those of docker(1) and kill(1) here, or the
// one that a slip of the finger meant.
func optionHint(c *cli.Command, name string) string {
	switch c.Name + " " + name {
	case "kill s", "kill signal":
		return ": the signal comes after the id, as in kill web KILL"
	case "exec it", "exec ti":
		return didYouMean("--tty")
	case "run it", "run ti", "run t", "run tty":
		return ": process.terminal in config.json says whether there is a terminal"
	case "run rm":
		return ": run removes the container at its end, unless --keep is there"
	}
	return didYouMean(likeOption(c, name))
}

// likeSignal is the signal that was meant by a name, without SIG, that is none.
func likeSignal(name string) string {
	var names []string
	for sig := unix.Signal(1); sig < 32; sig++ {
		names = append(names, unix.SignalName(sig)[len("SIG"):])
	}
	return document.Nearest(names, name)
}

// killOrder says how kill is called, to those who write it as kill(1): the option -9 would be an id.
func killOrder(id, signal string) string {
	if name, ok := strings.CutPrefix(signal, "-"); ok {
		if _, err := parseSignal(name); err == nil {
			return didYouMean(name)
		}
		return ": options stand before the id"
	}
	if _, err := strconv.Atoi(id); err == nil && id[0] == '-' {
		return ": the signal comes after the id, as in kill " + signal + " " + id[1:]
	}
	return ""
}
