package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

type options struct {
	tare, only, json         string
	rounds, warmup, together int
	asIs, strace             bool
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == asTrue {
		return
	}
	var o options
	flag.StringVar(&o.tare, "tare", "./tare", "the runtime `FILE`")
	flag.StringVar(&o.only, "only", "", "measure only what contains one of these `WORDS`, separated by commas")
	flag.StringVar(&o.json, "json", "", "write all samples to `FILE`")
	flag.IntVar(&o.rounds, "rounds", 60, "`N` samples of each measurement")
	flag.IntVar(&o.together, "together", 50, "`N` containers at once")
	flag.BoolVar(&o.asIs, "as-is", false, "leave the machine's cgroup mounts as they are")
	flag.BoolVar(&o.strace, "strace", false, "count system calls too, with strace")
	quick := flag.Bool("quick", false, "few rounds: does everything work?")
	flag.Parse()
	o.warmup = 3
	if *quick {
		o.rounds, o.warmup, o.together = 5, 1, 10
	}
	if err := bench(&o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(o *options) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("needs root: two of the runtimes make no containers as an ordinary user without more ado")
	}
	if !o.asIs {
		if err := ownView(); err != nil {
			return err
		}
	}
	// The container's first process comes to us when `create` has left, so that we can wait for its end.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	bundle, err := os.MkdirTemp("", "tare-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(bundle)) }()
	state, err := os.MkdirTemp("/run", "tare-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(state)) }()
	if err := makeBundle(bundle); err != nil {
		return err
	}
	peers, err := findPeers(o.tare, bundle, state)
	if err != nil {
		return err
	}
	r := &results{Machine: machine(), Peers: peers}
	r.describe(os.Stdout)
	if err := measureAll(ctx, o, peers, r); err != nil {
		return err
	}
	r.print(os.Stdout)
	if o.only == "" {
		printInits(os.Stdout, o.tare)
	}
	if o.json == "" {
		return nil
	}
	return r.write(o.json)
}

const cgroupDir = "/sys/fs/cgroup"

// ownView starts this program anew in a mount namespace of its own, with a tmpfs on /run, where it mostly is one
// anyway, and cgroup v2 on /sys/fs/cgroup.
func ownView() error {
	if os.Getenv(viewVariable) != "" {
		return nil
	}
	runtime.LockOSThread() // the thread that leaves the namespace is the one that lives on
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare CLONE_NEWNS", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return &os.PathError{Op: "make private", Path: "/", Err: err}
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return &os.PathError{Op: "mount tmpfs", Path: "/run", Err: err}
	}
	view := "v2"
	if !isCgroupV2() {
		view = "v2, mounted for the bench on a machine with v1"
		if err := unix.Mount("cgroup2", cgroupDir, "cgroup2", 0, ""); err != nil {
			return &os.PathError{Op: "mount cgroup2", Path: cgroupDir, Err: err}
		}
	}
	return os.NewSyscallError("execve", syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), viewVariable+"="+view)))
}

func isCgroupV2() bool {
	var fs unix.Statfs_t
	return unix.Statfs(cgroupDir, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// viewVariable is set in the environment by ownView, and says what the cgroups are.
const viewVariable = "TARE_BENCH_OWN_VIEW"

// machine tells what figures are to be read with.
func machine() []string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	cpu := "?"
	for _, line := range readLines("/proc/cpuinfo") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			cpu = strings.TrimSpace(value)
			break
		}
	}
	cgroups := os.Getenv(viewVariable)
	switch {
	case cgroups != "":
	case isCgroupV2():
		cgroups = "v2"
	default:
		cgroups = "v1 or hybrid, as it is"
	}
	load := strings.Join(readLines("/proc/loadavg"), "")
	return []string{
		"kernel " + unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:]),
		fmt.Sprintf("%d CPUs, %s; load %s", runtime.NumCPU(), cpu, load),
		"cgroups " + cgroups,
	}
}

func readLines(path string) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
