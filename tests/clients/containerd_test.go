package main

import (
	"context"
	"os"
	"os/exec"
	"testing"
)

// A daemon of the scene's own has the image, and is gone with the scene.
func TestContainerdDaemon(t *testing.T) {
	for _, program := range []string{"containerd", "ctr", "busybox"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("containerd needs root")
	}
	var c *containerd
	s := &scene{ctx: context.Background(), dir: t.TempDir(), slow: 1}
	s.play(func(s *scene) {
		c = s.startContainerd("", "tests", "")
		s.want("images", s.must(c.ctr("tests", "images", "list", "--quiet")...), reference)
		s.want("images of another namespace", s.must(c.ctr("others", "images", "list", "--quiet")...), "")
	})
	if s.outcome != passed || c.cmd.ProcessState == nil {
		t.Errorf("%s: %s; ended: %v\n%s", s.outcome, s.reason, c.cmd.ProcessState, &s.record)
	}
}
