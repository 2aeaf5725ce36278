package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// peerRuntime is a runtime under test: tare first, then those to compare it with.
type peerRuntime struct {
	Name, Version string
	Note          string `json:",omitempty"`

	path   string
	before string // highest ociVersion it accepts, if that is below the suite's
}

// result is what one program said of one runtime.
type result struct {
	Program, Runtime string
	Exit             int  // exit code
	TimedOut         bool `json:",omitempty"`
	Output           tap
	Stderr           string
}

// runProgram runs one program of the suite with one runtime in a shelter.
func runProgram(ctx context.Context, o *options, rt *peerRuntime, name string) (result, error) {
	work, err := os.MkdirTemp("", "tare-conformance-")
	if err != nil {
		return result{}, err
	}
	defer os.Remove(work) // empty: only the shelter has mounted something there
	stdout, stderr, problem, err := temporaries()
	if err != nil {
		return result{}, err
	}
	defer closeAll(stdout, stderr, problem)
	cmd := inShelter(o.environment, work, absolute(o.programs), name, rt.path, rt.before)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = stdout, stderr, []*os.File{problem}
	timedOut, err := runLimited(ctx, cmd, o.limit)
	if err != nil {
		return result{}, fmt.Errorf("%s with %s: %w", name, rt.Name, err)
	}
	removeCgroups()
	if said := contents(problem); said != "" {
		return result{}, fmt.Errorf("%s with %s: no shelter: %s", name, rt.Name, said)
	}
	res := result{
		Program: name, Runtime: rt.Name, Exit: cmd.ProcessState.ExitCode(), TimedOut: timedOut,
		Output: parseTAP(contents(stdout)), Stderr: contents(stderr),
	}
	return res, keep(o.log, &res, contents(stdout))
}

// runLimited runs cmd to its end or that of the time. An exit code is no error.
func runLimited(ctx context.Context, cmd *exec.Cmd, limit time.Duration) (timedOut bool, err error) {
	runtime.LockOSThread() // PR_SET_PDEATHSIG is about the thread that started the process
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return false, err
	}
	ended := make(chan struct{})
	defer close(ended)
	late := make(chan bool, 1)
	go func() {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-ended:
			late <- false
			return
		case <-timer.C:
			late <- true
		case <-ctx.Done():
			late <- false
		}
		_ = cmd.Process.Kill()
	}()
	_ = cmd.Wait()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	select {
	case timedOut = <-late:
	default:
	}
	return timedOut, nil
}

func temporaries() (a, b, c *os.File, err error) {
	var files [3]*os.File
	for i := range files {
		if files[i], err = os.CreateTemp("", "tare-conformance-"); err != nil {
			return nil, nil, nil, err
		}
		if err := os.Remove(files[i].Name()); err != nil {
			return nil, nil, nil, err
		}
	}
	return files[0], files[1], files[2], nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func contents(f *os.File) string {
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	data := make([]byte, info.Size())
	n, _ := f.ReadAt(data, 0)
	return string(data[:n])
}

// keep writes down what a program printed.
func keep(dir string, r *result, stdout string) error {
	if dir == "" {
		return nil
	}
	dir = filepath.Join(dir, r.Runtime)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text := fmt.Sprintf("%s--- stderr\n%s--- exit %d, timed out %t\n", stdout, r.Stderr, r.Exit, r.TimedOut)
	return os.WriteFile(filepath.Join(dir, r.Program+".txt"), []byte(text), 0o644)
}

// findRuntimes looks for tare and its peers, and at their versions. A peer that is not there is an error: who compares wants to know.
func findRuntimes(o *options) ([]peerRuntime, error) {
	var all []peerRuntime
	for i, name := range append([]string{o.runtime}, o.peers...) {
		path, err := exec.LookPath(name)
		if err != nil {
			return nil, err
		}
		rt := peerRuntime{Name: filepath.Base(name), path: absolute(path)}
		if i == 0 {
			rt.Name = "tare"
		}
		out, err := exec.Command(rt.path, "--version").Output()
		if err != nil {
			return nil, fmt.Errorf("%s --version: %w", rt.path, err)
		}
		rt.Version, _, _ = strings.Cut(string(out), "\n")
		if bytes.Contains(out, []byte("crun version 1.8.")) {
			rt.before, rt.Note = "1.0.2", "refuses every config that is not of version 1.0: is given the suite's with that number"
		}
		all = append(all, rt)
	}
	return all, nil
}

// removeCgroups removes the empty cgroups that the programs of the suite have left, which end without deleting their containers: those of its
// fixed paths, and those that are named like its containers.
func removeCgroups() {
	_ = filepath.WalkDir(cgroupDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() || !ofSuite(d.Name()) {
			return nil // also for a cgroup that is gone by now
		}
		removeEmpty(path)
		return filepath.SkipDir
	})
}

// removeEmpty removes a tree of cgroups from below. The kernel keeps those with processes.
func removeEmpty(path string) {
	entries, _ := os.ReadDir(path)
	for _, e := range entries {
		if e.IsDir() {
			removeEmpty(filepath.Join(path, e.Name()))
		}
	}
	_ = unix.Rmdir(path)
}

// ofSuite tells the names of the suite's cgroups: two fixed ones, and UUIDs.
func ofSuite(name string) bool {
	if name == "cgrouptest" || name == "testdir" {
		return true
	}
	if len(name) != 36 {
		return false
	}
	for i, c := range []byte(name) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !strings.ContainsRune("0123456789abcdef", rune(c)) {
			return false
		}
	}
	return true
}

// machine tells what the results were found on.
func machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	return "Linux " + unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
}
