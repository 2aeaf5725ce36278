package cli

import (
	"strconv"

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
	if _, err := strconv.Atoi(id); err == nil && id[0] == '-' {
		return ": the signal comes after the id, as in kill " + signal + " " + id[1:]
	}
	return ""
}
