package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// peer is a runtime under measurement.
type peer struct {
	Name, Path, Version string
	Size                int64 // of its binary, in bytes; libraries are extra
	Note                string

	bundle, root string
	ids          int // how many have been used
}

// findPeers gives tare and whoever else is there; it names who is not.
func findPeers(tare, bundle, state string) ([]*peer, error) {
	var all []*peer
	for _, name := range []string{"tare", "crun", "runc"} {
		file := name
		if name == "tare" {
			file = absolute(tare)
		}
		path, err := exec.LookPath(file)
		if err != nil && name == "tare" {
			return nil, err
		}
		if err != nil {
			fmt.Printf("%s is not on PATH: left out\n", name)
			continue
		}
		p := &peer{Name: name, Path: path, bundle: bundle, root: filepath.Join(state, name)}
		version, err := exec.Command(path, "--version").Output()
		if err != nil {
			return nil, fmt.Errorf("%s --version: %w", path, err)
		}
		p.Version, _, _ = strings.Cut(string(version), "\n")
		if info, err := os.Stat(path); err == nil {
			p.Size = info.Size()
		}
		if err := p.tryBundles(); err != nil {
			if name == "tare" {
				return nil, err
			}
			fmt.Printf("%s does not run the bundle: left out: %v\n", name, err)
			continue
		}
		all = append(all, p)
	}
	return all, nil
}

// tryBundles leaves a peer that cannot load a device program here (crun wants to raise RLIMIT_MEMLOCK, for which not
// every root has the capability) with the bundle without device rules. It is spared some work then, and we say so.
func (p *peer) tryBundles() error {
	_, err := p.call(context.Background(), "run", "--bundle", p.bundle, p.newID())
	if err == nil || p.Name == "tare" {
		return err
	}
	p.bundle = filepath.Join(p.bundle, withoutDevices)
	if _, again := p.call(context.Background(), "run", "--bundle", p.bundle, p.newID()); again != nil {
		return err
	}
	p.Note = "spared the device program, which it cannot load here"
	return nil
}

func (p *peer) newID() string {
	p.ids++
	return fmt.Sprintf("tare-bench-%d-%d", os.Getpid(), p.ids)
}

// commandTimeout is far above what anything here takes: nothing is to hang for ever.
const commandTimeout = time.Minute

// call runs one command of the runtime and gives the time from its start to its end.
func (p *peer) call(ctx context.Context, args ...string) (time.Duration, error) {
	took, _, err := p.callCPU(ctx, args...)
	return took, err
}

// callCPU also gives the CPU time, with that of the processes it has waited for.
func (p *peer) callCPU(ctx context.Context, args ...string) (took, cpu time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := p.command(ctx, args...)
	log, err := os.CreateTemp(p.bundle, "stderr-") // no pipe: what the container inherits would hold it open
	if err != nil {
		return 0, 0, err
	}
	defer os.Remove(log.Name())
	defer log.Close()
	cmd.Stderr = log
	begin := time.Now()
	err = cmd.Run()
	took = time.Since(begin)
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		return took, 0, fmt.Errorf("%s %s: %w: %s", p.Name, strings.Join(args, " "), err, bytes.TrimSpace(said))
	}
	return took, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

func (p *peer) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, p.Path, append([]string{"--root", p.root}, args...)...)
}

// created is a container that waits for start.
type created struct {
	peer *peer
	id   string
	pid  int
	took time.Duration
}

func (p *peer) create(ctx context.Context) (*created, error) {
	c := &created{peer: p, id: p.newID()}
	pidFile := filepath.Join(p.bundle, c.id+".pid")
	defer os.Remove(pidFile)
	var err error
	if c.took, err = p.call(ctx, "create", "--bundle", p.bundle, "--pid-file", pidFile, c.id); err != nil {
		return nil, errors.Join(err, c.destroy())
	}
	data, err := os.ReadFile(pidFile)
	if err == nil {
		c.pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
	}
	if err != nil {
		return nil, errors.Join(err, c.destroy())
	}
	return c, nil
}

// wait reaps the container's first process.
func (c *created) wait() error {
	for {
		pid, err := unix.Wait4(c.pid, nil, 0, nil)
		if err == unix.EINTR {
			continue
		}
		if err == nil {
			c.pid = 0
		}
		return os.NewSyscallError(fmt.Sprintf("wait4 %d (%d)", c.pid, pid), err)
	}
}

// destroy removes the container in any state, also when the bench has been interrupted.
func (c *created) destroy() error {
	_, err := c.peer.call(context.Background(), "delete", "--force", c.id)
	if c.pid > 0 {
		err = errors.Join(err, c.wait())
	}
	return err
}
