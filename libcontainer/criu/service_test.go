package criu

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fake puts a script into PATH in CRIU's place.
func fake(t *testing.T, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "criu"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return dir
}

// ask has the server that is in PATH asked for something without options.
func ask() error {
	s, err := start(nil, nil, nil)
	if err != nil {
		return err
	}
	defer s.end()
	_, err = s.ask(kindDump, nil, nil)
	return err
}

// One that does not even listen is no riddle either.
func TestCall_ServerEnds(t *testing.T) {
	fake(t, "exit 1\n")
	for range 20 { // now it has gone before we speak, now after
		if err := ask(); !errors.Is(err, errDied) {
			t.Errorf("got %v, want %v", err, errDied)
		}
	}
}

// What CRIU has restored so far has its end of the socket, and waits for it: its death is noticed all the same.
func TestCall_ServerDies(t *testing.T) {
	dir := fake(t, "sleep 600 &\necho $! >${0%/*}/pid\nkill -9 $$\n")
	t.Cleanup(func() {
		text, _ := os.ReadFile(filepath.Join(dir, "pid"))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	})
	done := make(chan error, 1)
	go func() {
		done <- ask()
	}()
	select {
	case err := <-done:
		if !errors.Is(err, errDied) {
			t.Errorf("got %v, want %v", err, errDied)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it is waited for")
	}
}

// CRIU has a job's terminal from its own standard input, and no other use for that.
func TestCall_TerminalOfAJob(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	writer.Close()
	own := os.Stdin
	os.Stdin = reader
	defer func() { os.Stdin = own }()
	work, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer work.Close()
	for _, tt := range []struct {
		kind int
		job  bool
		want bool
	}{{kindRestore, true, true}, {kindRestore, false, false}, {kindDump, true, false}} {
		dir := fake(t, "test -p /dev/stdin && : >${0%/*}/pipe\nexit 0\n")
		o := &Options{Images: work, Work: work, Log: "log", ShellJob: tt.job}
		if _, err := call(tt.kind, o, Surroundings{}, nil); !errors.Is(err, errDied) {
			t.Errorf("got %v, want %v", err, errDied)
		}
		if _, err := os.Stat(filepath.Join(dir, "pipe")); (err == nil) != tt.want {
			t.Errorf("kind %d, a job %v: standard input is ours: %v", tt.kind, tt.job, err == nil)
		}
	}
}

// The thread that prepare gets ends with the server, and the main thread never would.
func TestStart_Thread(t *testing.T) {
	fake(t, "exit 0\n")
	var thread int
	prepare := func() error {
		thread = unix.Gettid()
		return nil
	}
	for range 20 {
		done := make(chan error)
		go func() { // in whatever thread is idle
			s, err := start(nil, nil, prepare)
			if err == nil {
				s.end()
			}
			done <- err
		}()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if thread == unix.Getpid() {
			t.Fatal("it was the main thread")
		}
	}
}

func TestCall_Answers(t *testing.T) {
	for _, tt := range []struct{ answer, want string }{
		{`\010\001\020\001`, ""},
		{`\010\001\020\000`, "criu failed"},
		{`\010\001\020\000\112\005words`, "criu failed"},
		{`\010\001\020\000\112\031Error (criu/a.c:1): wrong`, "criu failed: wrong"},
		{`\010\001\020`, errMalformed.Error()},
	} {
		fake(t, "dd bs=1 count=1 <&3 >/dev/null 2>&1\nprintf '"+tt.answer+"' >&3\n")
		switch err := ask(); {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.answer, err)
		case tt.want != "" && (err == nil || err.Error() != tt.want):
			t.Errorf("%s: %v, want %s", tt.answer, err, tt.want)
		}
	}
}
