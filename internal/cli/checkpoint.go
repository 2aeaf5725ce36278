package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v3"

	"tare/libcontainer"
)

func (a *app) checkpointCommand() *cli.Command {
	o := &criuOptions{}
	co := libcontainer.CheckpointOptions{Warn: warn}
	return &cli.Command{
		Name:      "checkpoint",
		Category:  "Changing",
		Usage:     "write a running container's processes to files, for restore",
		ArgsUsage: "ID",
		Description: `CRIU does it (package criu). The container is gone then, unless --leave-running
or --pre-dump says otherwise; if it fails the container goes on, and dump.log
says why.

NAME checkpoint --image-path /srv/web/images web
NAME restore --image-path /srv/web/images --bundle /srv/web --detach web
`,
		Flags: append(o.flags(),
			stringFlag(&co.ParentPath, "save what has changed since `DIR`, relative to --image-path", "parent-path"),
			boolFlag(&co.LeaveRunning, "let the container go on", "leave-running"),
			boolFlag(&co.PreDump, "write the memory alone, and let the container go on", "pre-dump"),
			boolFlag(&co.TCPSkipInFlight, "leave out connections that are not established yet", "tcp-skip-in-flight"),
			intFlag(&co.StatusFD, "write a byte to descriptor `N` once the memory's server listens", "status-fd"),
			stringFlag(&co.PageServer, "send the memory to a server at `HOST:PORT`", "page-server")),
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 1, 1); err != nil {
				return err
			}
			if !c.IsSet("status-fd") {
				co.StatusFD = -1
			}
			if filepath.IsAbs(co.ParentPath) {
				return about(c, fmt.Errorf("--parent-path %s: is to be relative to --image-path", co.ParentPath))
			}
			err := o.complete(&co.CRIUOptions)
			if err != nil {
				return about(c, err)
			}
			ct, err := a.load(c.Args().First())
			if err == nil {
				defer ct.Close()
				err = ct.Checkpoint(co)
			}
			return about(c, err)
		},
	}
}

// criuOptions are the options of checkpoint that restore has, too, as given.
type criuOptions struct {
	libcontainer.CRIUOptions

	empty []string
}

func (o *criuOptions) flags() []cli.Flag {
	return []cli.Flag{
		stringFlag(&o.ImagePath, "the images are in `DIR`, not ./checkpoint", "image-path"),
		stringFlag(&o.WorkPath, "CRIU's log goes to `DIR`, not to that of the images", "work-path"),
		boolFlag(&o.TCPEstablished, "save, or take up again, established TCP connections", "tcp-established"),
		boolFlag(&o.ExtUnixSockets, "UNIX sockets may lead out of the container", "ext-unix-sk"),
		boolFlag(&o.ShellJob, "the processes may be a job of the caller's shell", "shell-job"),
		boolFlag(&o.FileLocks, "save, or take again, file locks", "file-locks"),
		boolFlag(&o.LazyPages, "memory comes when it is needed (userfaultfd)", "lazy-pages"),
		boolFlag(&o.LinkRemap, "link files that were unlinked and are open", "link-remap"),
		boolFlag(&o.AutoDedup, "drop memory from images that others have", "auto-dedup"),
		stringFlag(&o.Cgroups, "cgroup properties: `MODE` is soft, full, strict or ignore", "manage-cgroups-mode"),
		listFlag(&o.empty, "leave what is in the namespace `network` to hooks", "empty-ns"),
	}
}

// complete makes the paths absolute.
func (o *criuOptions) complete(to *libcontainer.CRIUOptions) (err error) {
	*to = o.CRIUOptions
	if to.ImagePath, err = absolute("--image-path", o.ImagePath); err != nil {
		return err
	}
	if o.ImagePath == "" {
		to.ImagePath = filepath.Join(to.ImagePath, "checkpoint")
	}
	if o.WorkPath != "" {
		if to.WorkPath, err = absolute("--work-path", o.WorkPath); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(o.empty, func(name string) bool { return name != "network" }) {
		return errors.New("--empty-ns: only network can be left empty")
	}
	to.EmptyNetwork = len(o.empty) > 0
	return nil
}
