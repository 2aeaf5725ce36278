package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// fact is what the probe prints a list of.
type fact struct {
	Topic, Name string
	Values      []string
}

// compare prints the host's and the container's facts side by side.
func compare(w io.Writer, host, inside []byte) error {
	var outer, inner []fact
	if err := json.Unmarshal(host, &outer); err != nil {
		return fmt.Errorf("facts of the host: %w", err)
	}
	if err := json.Unmarshal(inside, &inner); err != nil {
		return fmt.Errorf("facts of the container: %w", err)
	}
	paint := painter(w)
	fmt.Fprintln(w, line("", "the host", paint(bold, "the container")))
	topic := ""
	var mounts []string
	for i, f := range inner {
		if f.Topic != topic {
			topic = f.Topic
			fmt.Fprintln(w, paint(bold, topic))
		}
		left, right := short(outer[i].Values), strings.Join(f.Values, " ")
		if f.Name == "mounts" {
			mounts = f.Values
			right = fmt.Sprintf("%d, below", len(mounts))
		}
		if right == "" {
			right = "-"
		}
		how := plain
		if left != right {
			how = green
		}
		fmt.Fprintln(w, line(f.Name, left, paint(how, right)))
	}
	fmt.Fprintln(w, paint(bold, "\nThe container's mounts"))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range mounts {
		fmt.Fprintln(table, "  "+m)
	}
	return table.Flush()
}

func line(name, left, right string) string {
	return fmt.Sprintf("  %-20s  %-20s  %s", name, left, right)
}

// short keeps the host's column narrow: of a long list only the length counts.
func short(values []string) string {
	text := strings.Join(values, " ")
	switch {
	case text == "":
		return "-"
	case len(text) > 20:
		return fmt.Sprint(len(values))
	}
	return text
}

const (
	plain = ""
	bold  = "\x1b[1m"
	green = "\x1b[32m"
	reset = "\x1b[0m"
)

// painter adds colour for a person at a terminal who has not asked for none (no-color.org).
func painter(w io.Writer) func(how, text string) string {
	colour := false
	if f, ok := w.(*os.File); ok && os.Getenv("NO_COLOR") == "" {
		_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		colour = err == nil
	}
	return func(how, text string) string {
		if !colour || how == plain {
			return text
		}
		return how + text + reset
	}
}
