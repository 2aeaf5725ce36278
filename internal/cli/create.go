package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/urfave/cli/v3"

	"tare/libcontainer"
)

func (a *app) createCommand() *cli.Command {
	o := &createOptions{}
	return &cli.Command{
		Name:      "create",
		Category:  "Life of a container",
		Usage:     "make a container that waits for start",
		ArgsUsage: "ID",
		Description: `Everything is set up as config.json says, but the container's process is held
back until NAME start.

NAME create --bundle /srv/web --pid-file /run/web.pid web
NAME start web
`,
		Flags: o.flags(),
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 1, 1); err != nil {
				return err
			}
			lo, err := a.createOptions(o, c.Args().First())
			if err == nil {
				_, err = libcontainer.Create(lo)
			}
			if err != nil {
				return fmt.Errorf("%s create failed: %w", a.name, err)
			}
			return nil
		},
	}
}

// createOptions are the options of create that run has too, as given.
type createOptions struct {
	bundle, pidFile, consoleSocket, pidfdSocket string

	noPivot, noNewKeyring bool
	preserveFDs           int
}

func (o *createOptions) flags() []cli.Flag {
	return []cli.Flag{
		stringFlag(&o.bundle, "the bundle is `DIR`, not the current directory", "bundle", "b"),
		stringFlag(&o.pidFile, "write the pid of the container's first process to `FILE`", "pid-file"),
		stringFlag(&o.consoleSocket, "send the terminal's master to the UNIX socket `PATH`", "console-socket"),
		stringFlag(&o.pidfdSocket, "send a pidfd of the first process to the UNIX socket `PATH`", "pidfd-socket"),
		intFlag(&o.preserveFDs, "hand on `N` more open files: descriptors 3 to N+2", "preserve-fds"),
		boolFlag(&o.noPivot, "move the root, no pivot_root: for a host that runs from initramfs", "no-pivot"),
		boolFlag(&o.noNewKeyring, "keep the caller's session keyring", "no-new-keyring"),
	}
}

// createOptions completes o: every path absolute, the state root there, sockets of the environment counted.
func (a *app) createOptions(o *createOptions, id string) (libcontainer.CreateOptions, error) {
	lo := libcontainer.CreateOptions{
		ID:            id,
		NoPivot:       o.noPivot,
		NoNewKeyring:  o.noNewKeyring,
		SystemdCgroup: a.global.systemdCgroup,
		Rootless:      a.global.rootless,
		PreserveFDs:   o.preserveFDs,
		ListenFDs:     listenFDs(os.Getpid(), os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")),
		NotifySocket:  os.Getenv("NOTIFY_SOCKET"),
		Warn:          warn,
	}
	if o.preserveFDs < 0 {
		return lo, fmt.Errorf("--preserve-fds: %d is negative", o.preserveFDs)
	}
	var err error
	if lo.Bundle, err = absolute("--bundle", o.bundle); err != nil {
		return lo, err
	}
	if o.pidFile != "" {
		if lo.PidFile, err = absolute("--pid-file", o.pidFile); err != nil {
			return lo, err
		}
	}
	// Callers count on these two being relative to the bundle: runc changes its directory before it looks at them.
	lo.ConsoleSocket = inDir(lo.Bundle, o.consoleSocket)
	lo.PidfdSocket = inDir(lo.Bundle, o.pidfdSocket)
	lo.Root, err = a.makeStateRoot()
	return lo, err
}

// absolute makes the path of an option absolute. An empty one is the current directory.
func absolute(option, path string) (string, error) {
	abs, err := filepath.Abs(path)
	switch {
	case err == nil:
		return abs, nil
	case errors.Is(err, fs.ErrNotExist): // getcwd(2): it was removed, and $PWD names nothing
		err = fmt.Errorf("the current directory is gone: %w", err)
	}
	if path == "" {
		return "", fmt.Errorf("%w: change to another, or name one with %s", err, option)
	}
	return "", fmt.Errorf("%s %s: %w: change to another, or give an absolute path", option, path, err)
}

func inDir(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// listenFDs is the number of sockets that systemd passed to this process (sd_listen_fds(3)). The variables may have
// been inherited from a process that they were meant for: then its pid is not ours, and its descriptors are not here.
func listenFDs(pid int, listenPID, listenFDs string) int {
	if p, err := strconv.Atoi(listenPID); err != nil || p != pid {
		return 0
	}
	n, err := strconv.Atoi(listenFDs)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
