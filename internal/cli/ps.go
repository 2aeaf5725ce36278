package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

func (a *app) psCommand() *cli.Command {
	format := "table"
	one := 1
	return &cli.Command{
		Name:      "ps",
		Category:  "Looking",
		Usage:     "list the processes of a container",
		ArgsUsage: "ID [PS-OPTIONS]",
		Description: `The table is that of the host's ps(1), called with PS-OPTIONS (-ef if there are
none), less the lines of other processes. Pids are those of the host.

NAME ps web
NAME ps web -o pid,rss,comm
NAME ps --format json web
`,
		Flags: []cli.Flag{
			stringFlag(&format, "`FORMAT` is table (which is the default) or json: pids alone", "format", "f"),
		},
		StopOnNthArg: &one,
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 1, c.Args().Len()); err != nil {
				return err
			}
			if err := checkFormat(format); err != nil {
				return err
			}
			return about(c, a.ps(c.Args().First(), format, c.Args().Tail()))
		},
	}
}

func (a *app) ps(id, format string, args []string) error {
	ct, err := a.load(id)
	if err != nil {
		return err
	}
	defer ct.Close()
	pids, err := ct.Pids()
	if err != nil {
		return err
	}
	if format == "json" {
		return a.printPids(pids)
	}
	if len(args) == 0 {
		args = []string{"-ef"}
	}
	out, err := hostPS(args)
	if err != nil {
		return err
	}
	table, err := linesOf(pids, out)
	if err != nil {
		return fmt.Errorf("ps %s: %w", strings.Join(args, " "), err)
	}
	return a.print(table)
}

// printPids prints one line; no processes are null, as callers know it.
func (a *app) printPids(pids []int) error {
	out, err := json.Marshal(pids)
	if err != nil {
		return fmt.Errorf("encode the pids: %w", err)
	}
	return a.print(string(out) + "\n")
}

// psTimeout bounds the host's ps: it hangs where /proc does, at a process whose memory is locked by one that hangs.
const psTimeout = 30 * time.Second

// psPath is searched where the caller has set no PATH. Managers leave it out of some calls.
const psPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// hostPS gives the output of the host's ps(1).
func hostPS(args []string) (string, error) {
	if os.Getenv("PATH") == "" {
		if err := os.Setenv("PATH", psPath); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), psTimeout)
	defer cancel()
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, "ps", args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &complaint, time.Second
	err := cmd.Run()
	what := strings.Join(cmd.Args, " ")
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%w: install ps (package procps), or use --format json", err)
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s: still running after %v, killed", what, psTimeout)
	case err != nil:
		if first, _, _ := strings.Cut(strings.TrimSpace(complaint.String()), "\n"); first != "" {
			return "", fmt.Errorf("%s: %w: %s", what, err, first)
		}
		return "", fmt.Errorf("%s: %w", what, err)
	}
	return out.String(), nil
}

// linesOf keeps the header of ps's output and the lines of these processes, which are in ascending order.
func linesOf(pids []int, out string) (string, error) {
	header, rest, _ := strings.Cut(out, "\n")
	column := slices.Index(strings.Fields(header), "PID")
	if column < 0 {
		return "", errors.New("couldn't find PID field in ps output, which says whose line it is")
	}
	// The ps of most hosts aligns pids to the right, so they end where their heading does; busybox goes by columns alone.
	end := strings.Index(" "+header+" ", " PID ") + len("PID")
	var b strings.Builder
	b.WriteString(header + "\n")
	for line := range strings.Lines(rest) {
		pid, err := strconv.Atoi(wordAt(line, end))
		if err != nil {
			pid, err = strconv.Atoi(field(line, column))
		}
		if _, ours := slices.BinarySearch(pids, pid); err == nil && ours {
			b.WriteString(line)
		}
	}
	return b.String(), nil
}

// wordAt gives the word that ends at a place in a line. No process can move it: what comes before is cut to its width.
func wordAt(line string, end int) string {
	if end > len(line) || end < len(line) && line[end] != ' ' && line[end] != '\n' {
		return ""
	}
	return line[strings.LastIndexByte(line[:end], ' ')+1 : end]
}

// field gives the nth word of a line. What comes before may be a name that a process has given itself, spaces and all.
func field(line string, n int) string {
	for word := range strings.FieldsSeq(line) {
		if n == 0 {
			return word
		}
		n--
	}
	return ""
}
