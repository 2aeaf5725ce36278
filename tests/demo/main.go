package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	tare := flag.String("tare", "./tare", "the runtime `FILE`")
	probe := flag.String("probe", "", "a `FILE` built from tests/probe; without one it is built here, which needs Go")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx, os.Stdout, *tare, *probe); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context, w io.Writer, tare, probe string) (err error) {
	unix.Umask(0o022) // the container's user has to be able to read its root file system
	dir, err := os.MkdirTemp("", "tare-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if probe == "" {
		probe = filepath.Join(dir, "probe")
		if err := build(ctx, probe); err != nil {
			return err
		}
	}
	c := container{
		tare: tare, root: filepath.Join(dir, "state"), bundle: filepath.Join(dir, "bundle"),
		id: fmt.Sprintf("tare-demo-%d", os.Getpid()),
	}
	if c.tare, err = filepath.Abs(tare); err != nil {
		return err
	}
	defer c.destroy()

	if err := makeBundle(c.bundle, probe, newSpec()); err != nil {
		return err
	}
	inside, err := c.runLimited(ctx, w)
	if err != nil {
		return err
	}
	host, err := exec.CommandContext(ctx, probe, "demo").Output()
	if err != nil {
		return fmt.Errorf("run the probe on the host: %w", err)
	}
	if err := compare(w, host, inside); err != nil {
		return err
	}
	_, err = fmt.Fprint(w, "\nTry next\n"+
		"  ./tare spec --bundle DIR    write a config.json to start from\n"+
		"  ./tare run --help           what there is to say to it\n"+
		"  make test                   see all of it proved\n")
	return err
}

func build(ctx context.Context, probe string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", probe, "tare/tests/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // static: there is no libc in the container
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the probe: %w\n%s", err, out)
	}
	return nil
}

// container is where everything is that tare has to be told.
type container struct{ tare, root, bundle, id string }

// runLimited runs the container with all limits, and then again without those that this host cannot hold: tare does
// not run a container with less than its config.json asks for, but says which field it is about.
func (c *container) runLimited(ctx context.Context, w io.Writer) ([]byte, error) {
	wanted := controllers
	if os.Geteuid() != 0 {
		fmt.Fprint(w, "Not root: a container in a user namespace of yours, and without limits, as its cgroup is not yours.\n"+
			"To see limits too: sudo make run\n\n")
		wanted = nil
	}
	for refused := 0; ; refused++ {
		spec := newSpec()
		for _, name := range wanted {
			limit(spec, name)
		}
		if err := writeConfig(c.bundle, spec); err != nil {
			return nil, err
		}
		out, err := c.run(ctx)
		if err == nil {
			if refused > 0 {
				fmt.Fprintln(w)
			}
			return out, nil
		}
		kept := slices.DeleteFunc(slices.Clone(wanted), func(name string) bool {
			return strings.Contains(err.Error(), "(/linux/resources/"+name)
		})
		switch {
		case len(kept) < len(wanted):
			fmt.Fprintln(w, "Without this limit, which the host cannot hold:", strings.TrimPrefix(err.Error(), "tare run failed: "))
			wanted = kept
		case os.Geteuid() != 0:
			return nil, fmt.Errorf("%w\nThis system does not let you make containers as an ordinary user: sudo make run", err)
		default:
			return nil, err
		}
	}
}

// run is all there is to do for a container that is to run once: what it prints comes out of tare.
func (c *container) run(ctx context.Context) ([]byte, error) {
	var complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, c.tare, "--root", c.root, "run", "--bundle", c.bundle, c.id)
	cmd.Stderr = &complaint
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // tare hands it on to the container
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if text := strings.TrimSpace(complaint.String()); err != nil && text != "" {
		err = errors.New(text)
	}
	if err == nil && !json.Valid(out) {
		err = fmt.Errorf("the container printed %q", out)
	}
	return out, err
}

// destroy is for the case that something came between: after a `run` that came to its end there is nothing left.
func (c *container) destroy() {
	_ = exec.Command(c.tare, "--root", c.root, "delete", "--force", c.id).Run()
}
