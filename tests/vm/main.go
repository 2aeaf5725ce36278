package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Exit codes of the harness itself.
const (
	exitTimeout = 124
	exitDied    = 125
)

// errGuestDied says that the guest ended without handing an exit code back.
var errGuestDied = errors.New("the guest ended without an exit code")

// options is the command line.
type options struct {
	guest   string // "small" or "systemd"
	cache   string // directory of kernel and root disks
	with    list   // further Debian packages in the guest
	kernel  string // further words of the kernel's command line
	refresh bool   // rebuild what the cache holds

	mem, smp int // MiB, CPUs
	timeout  time.Duration
	results  string // directory the result files go to, or empty
	verbose  bool
	shell    bool
	add      list // SRC:DST pairs
	env      list // NAME=VALUE pairs for the job

	tests       list // package patterns
	bins        list // programs for /usr/local/bin
	run         string
	skip        string
	testTimeout time.Duration

	command []string
}

// list is a flag that may be repeated and whose values may be joined by commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(s string) error {
	*l = append(*l, strings.Split(s, ",")...)
	return nil
}

func main() {
	// QEMU is told to die with the thread that started it (see boot); the main thread lives to the end.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	code, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "vm:", err)
	}
	os.Exit(code)
}

// run is main with everything handed in. The code is meant for exit(2), also when there is an error.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0, err
	}
	if err != nil {
		return exitDied, err
	}
	code, err := dispatch(ctx, o, stdout, stderr)
	switch {
	case err == nil:
		return code, nil
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout, err
	default:
		return exitDied, err
	}
}

// dispatch runs what the options ask for: a suite of tests, or one command or shell.
func dispatch(ctx context.Context, o *options, stdout, stderr io.Writer) (int, error) {
	if len(o.tests) > 0 {
		return runTests(ctx, o, stdout, stderr)
	}
	w, err := newWork(o)
	if err != nil {
		return 0, err
	}
	defer w.remove()
	if err := w.setJob(commandJob(o)); err != nil {
		return 0, err
	}
	r, err := runGuest(ctx, o, w, stdout, stderr)
	if r == nil {
		return 0, err
	}
	if !o.verbose && !o.shell {
		if _, err := stdout.Write(plain(r.output)); err != nil {
			return 0, err
		}
	}
	return r.code, err
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("vm", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.guest, "guest", "small", "`kind` of guest: small (busybox init) or systemd")
	fs.StringVar(&o.cache, "cache", "", "cache `directory` (default $XDG_CACHE_HOME/tare-vm or ~/.cache/tare-vm)")
	fs.Var(&o.with, "with", "further Debian `packages` in the guest, such as runc,crun")
	fs.StringVar(&o.kernel, "append", "", "further `words` of the kernel's command line, such as lsm=selinux")
	fs.BoolVar(&o.refresh, "refresh", false, "download and build again what the cache holds")
	fs.IntVar(&o.mem, "mem", 1024, "memory in `MiB`")
	fs.IntVar(&o.smp, "smp", 2, "number of `CPUs`")
	fs.DurationVar(&o.timeout, "timeout", 30*time.Minute, "end of the machine, whatever it does")
	fs.StringVar(&o.results, "results", "", "`directory` for output, console and the files left in the guest's /results")
	fs.BoolVar(&o.verbose, "v", false, "stream the output while it comes")
	fs.BoolVar(&o.shell, "shell", false, "a shell in the guest on this terminal; -timeout holds")
	fs.Var(&o.add, "add", "copy `SRC:DST` into the guest (repeatable)")
	fs.Var(&o.env, "env", "environment `NAME=VALUE` of the command (repeatable)")
	fs.Var(&o.tests, "tests", "run the tests of these Go `packages`")
	fs.Var(&o.bins, "bin", "copy a `program` to /usr/local/bin of the guest (repeatable)")
	fs.StringVar(&o.run, "run", "", "with -tests: only tests that match `regexp`")
	fs.StringVar(&o.skip, "skip", "", "with -tests: no tests that match `regexp`")
	fs.DurationVar(&o.testTimeout, "test-timeout", 20*time.Minute, "with -tests: limit of each package")
	fs.Usage = func() {
		fmt.Fprint(stderr, "usage: vm [flags] -- CMD [ARG...]\n       vm [flags] -tests PACKAGES\n       vm [flags] -shell\n\n")
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	o.command = fs.Args()
	return o, o.check()
}

// check refuses contradictions and fills in the cache directory.
func (o *options) check() error {
	modes := 0
	for _, on := range []bool{len(o.command) > 0, len(o.tests) > 0, o.shell} {
		if on {
			modes++
		}
	}
	if modes != 1 {
		return errors.New("give one of: a command, -tests, -shell (see -h)")
	}
	if o.guest != guestSmall && o.guest != guestSystemd {
		return fmt.Errorf("-guest %s: there are %s and %s", o.guest, guestSmall, guestSystemd)
	}
	for _, pair := range o.add {
		src, dst, ok := strings.Cut(pair, ":")
		if !ok || src == "" || !filepath.IsAbs(dst) {
			return fmt.Errorf("-add %s: want SRC:DST with an absolute DST", pair)
		}
	}
	for _, pair := range o.env {
		if name, _, ok := strings.Cut(pair, "="); !ok || name == "" {
			return fmt.Errorf("-env %s: want NAME=VALUE", pair)
		}
	}
	slices.Sort(o.with)
	o.with = slices.Compact(o.with)
	if o.cache != "" {
		return nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("find the cache directory: %w", err)
	}
	o.cache = filepath.Join(dir, "tare-vm")
	return nil
}
