package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"tare/libcontainer"
	"tare/libcontainer/creds"
)

// execFailed is the exit code of an exec that fails itself: the process's own are told apart from it.
const execFailed = 255

func (a *app) execCommand() *cli.Command {
	o := &execOptions{}
	one := 1
	return &cli.Command{
		Name:      "exec",
		Category:  "Life of a container",
		Usage:     "run one more process in a container",
		ArgsUsage: "ID COMMAND [ARG...]",
		Description: `The process is like the container's own, as config.json had it at create, but for
what the options say. The exit code is the process's, or 128+N if signal N ended
it; 255 if it could not be started.

NAME exec web ps -ef
NAME exec --tty --env TERM=xterm web sh
NAME exec --process process.json --detach --pid-file /run/web-2.pid web
`,
		Flags:        o.flags(),
		StopOnNthArg: &one,
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 1, maxArgs); err != nil {
				return err
			}
			lo, err := a.execOptions(o, c)
			if err == nil {
				a.exitCode, err = libcontainer.Exec(lo)
			}
			if errors.Is(err, libcontainer.ErrNotExist) {
				err = fmt.Errorf("%w: %s", err, lo.ID)
			}
			if err != nil {
				return &exitError{execFailed, fmt.Errorf("%s exec failed: %w", a.name, err)}
			}
			return nil
		},
	}
}

// maxArgs is more arguments than a command line has.
const maxArgs = 1 << 30

// execOptions are the options of exec, as given.
type execOptions struct {
	process, cwd, user, label, apparmor   string
	pidFile, consoleSocket, pidfdSocket   string
	env, additionalGIDs, caps, cgroups    []string
	tty, detach, noNewPrivs, ignorePaused bool
	preserveFDs                           int
}

func (o *execOptions) flags() []cli.Flag {
	return []cli.Flag{
		// First, as the parser looks each option up in this order, and there can be a thousand of these.
		listFlag(&o.env, "add the environment variable `VAR=VALUE`", "env", "e"),
		stringFlag(&o.process, "run the process that the JSON in `FILE` describes", "process", "p"),
		stringFlag(&o.cwd, "start in the directory `DIR`", "cwd"),
		stringFlag(&o.user, "be the user `UID[:GID]`, both numbers", "user", "u"),
		listFlag(&o.additionalGIDs, "be in the group `GID` too", "additional-gids", "g"),
		boolFlag(&o.tty, "give the process a terminal", "tty", "t"),
		boolFlag(&o.detach, "leave once the process runs", "detach", "d"),
		stringFlag(&o.pidFile, "write the pid of the process to `FILE`", "pid-file"),
		stringFlag(&o.consoleSocket, "send the terminal's master to the UNIX socket `PATH`", "console-socket"),
		stringFlag(&o.pidfdSocket, "send a pidfd of the process to the UNIX socket `PATH`", "pidfd-socket"),
		listFlag(&o.caps, "add the capability `CAP`, such as CAP_NET_RAW", "cap", "c"),
		boolFlag(&o.noNewPrivs, "never let the process gain privileges", "no-new-privs"),
		stringFlag(&o.apparmor, "confine the process by the AppArmor `PROFILE`", "apparmor"),
		stringFlag(&o.label, "give the process the SELinux context `LABEL`", "process-label"),
		intFlag(&o.preserveFDs, "hand on `N` more open files: descriptors 3 to N+2", "preserve-fds"),
		listFlag(&o.cgroups, "start in the cgroup `PATH` below the container's", "cgroup"),
		boolFlag(&o.ignorePaused, "start in a paused container, to run once it is resumed", "ignore-paused"),
	}
}

// execOptions completes o.
func (a *app) execOptions(o *execOptions, c *cli.Command) (libcontainer.ExecOptions, error) {
	lo := libcontainer.ExecOptions{
		ID: c.Args().First(), ProcessFile: o.process, Detach: o.detach, IgnorePaused: o.ignorePaused, Cgroups: o.cgroups,
		PreserveFDs: o.preserveFDs, Warn: warn,
	}
	if o.preserveFDs < 0 {
		return lo, fmt.Errorf("--preserve-fds: %d is negative", o.preserveFDs)
	}
	var err error
	for _, path := range []struct {
		flag, given string
		to          *string
	}{
		{"--pid-file", o.pidFile, &lo.PidFile},
		{"--console-socket", o.consoleSocket, &lo.ConsoleSocket},
		{"--pidfd-socket", o.pidfdSocket, &lo.PidfdSocket},
	} {
		if path.given == "" {
			continue
		}
		if *path.to, err = absolute(path.flag, path.given); err != nil {
			return lo, err
		}
	}
	if o.process == "" {
		if lo.Changes, err = o.changes(c); err != nil {
			return lo, err
		}
	}
	lo.Root, err = a.stateRoot()
	return lo, err
}

// changes are what the options change in the container's own process.
func (o *execOptions) changes(c *cli.Command) (p libcontainer.ProcessChanges, err error) {
	p = libcontainer.ProcessChanges{Args: c.Args().Tail(), Cwd: o.cwd, Env: o.env, Capabilities: o.caps, Terminal: o.tty}
	p.ApparmorProfile, p.SelinuxLabel = o.apparmor, o.label
	if o.cwd != "" && !filepath.IsAbs(o.cwd) {
		return p, fmt.Errorf("--cwd %s: must be absolute", o.cwd)
	}
	for _, e := range o.env {
		if strings.IndexByte(e, '=') < 1 {
			return p, fmt.Errorf("--env: %q is not VAR=VALUE", e)
		}
	}
	for _, name := range o.caps {
		if _, known := creds.Number(name); !known {
			return p, fmt.Errorf("--cap: unknown capability %q", name)
		}
	}
	if c.IsSet("no-new-privs") {
		p.NoNewPrivileges = &o.noNewPrivs
	}
	if c.IsSet("user") {
		if p.UID, p.GID, err = parseUser(o.user); err != nil {
			return p, err
		}
	}
	for _, text := range o.additionalGIDs {
		gid, err := parseID(text)
		if err != nil {
			return p, fmt.Errorf("--additional-gids: %w", err)
		}
		p.AdditionalGIDs = append(p.AdditionalGIDs, gid)
	}
	return p, nil
}

// parseUser reads UID or UID:GID. Numbers are ids, never names: an image decides what its /etc/passwd calls "1000"
// (CVE-2016-3697).
func parseUser(text string) (uid, gid *uint32, err error) {
	user, group, both := strings.Cut(text, ":")
	u, err := parseID(user)
	if err != nil {
		return nil, nil, fmt.Errorf("--user %q: %w", text, err)
	}
	if !both {
		return &u, nil, nil
	}
	g, err := parseID(group)
	if err != nil {
		return nil, nil, fmt.Errorf("--user %q: %w", text, err)
	}
	return &u, &g, nil
}

// parseID reads a decimal id and nothing else: no sign, no space, no leading zero, not the -1 that is no id.
func parseID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 1<<32-1 || strconv.FormatUint(n, 10) != text {
		return 0, fmt.Errorf("%q is no id: want a decimal number from 0 to %d", text, uint32(1<<32-2))
	}
	return uint32(n), nil
}
