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

// One that does not even listen is no riddle either.
func TestCall_ServerEnds(t *testing.T) {
	fake(t, "exit 1\n")
	for range 20 { // now it has gone before we speak, now after
		if _, err := Version(); !errors.Is(err, errDied) {
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
		_, err := Version()
		done <- err
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
			s, err := start(nil, prepare)
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
