package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestProcessesOf(t *testing.T) {
	s := rootScene(t)
	if all := processesOf(s.dir); all != nil {
		t.Fatalf("before anything is started: %q", all)
	}
	var found []string
	s.play(func(s *scene) {
		s.env = []string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH")}
		d := s.startDaemon("sleep", "sleep", "60")
		s.eventually("the process is found", func() error {
			found = processesOf(s.dir)
			if want := fmt.Sprintf("%d sleep 60", d.cmd.Process.Pid); !slices.Contains(found, want) {
				return fmt.Errorf("%q, want %q", found, want)
			}
			return nil
		})
	})
	if s.outcome != passed {
		t.Error(s.reason)
	}
	if all := processesOf(s.dir); all != nil {
		t.Errorf("after its end: %q", all)
	}
}

func TestCgroupOf(t *testing.T) {
	dir, err := cgroupOf(os.Getpid(), "pids")
	if err != nil {
		t.Skip(err)
	}
	procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(strings.Fields(string(procs)), fmt.Sprint(os.Getpid())) {
		t.Errorf("%s does not hold %d: %q", dir, os.Getpid(), procs)
	}
	if _, err := cgroupOf(os.Getpid(), "no such controller"); err == nil && !isCgroupV2() {
		t.Error("a controller that is not there has a cgroup")
	}
}
