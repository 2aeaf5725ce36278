package main

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// rootScene is a scene in a directory that an ordinary user may enter.
func rootScene(t *testing.T) *scene {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir, err := os.MkdirTemp("/var/tmp", "tare-clients-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeTree(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return &scene{ctx: context.Background(), dir: dir, slow: 1}
}

// The user's commands are the user's: ids, capabilities, accounts and directories; the host's accounts stay as they were.
func TestAccount(t *testing.T) {
	if err := canRootless(); err != nil {
		t.Skip(err)
	}
	s := rootScene(t)
	s.play(func(s *scene) {
		a := s.newAccount()
		id := fmt.Sprint(a.uid)
		s.want("id", s.must(a.command("id", "-u")...)+" "+s.must(a.command("id", "-un")...), id+" "+a.name)
		s.want("groups", s.must(a.command("id", "-G")...), id)
		s.contains("capabilities", s.must(a.command("cat", "/proc/self/status")...), "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000")
		s.contains("subordinate ids", s.must(a.command("cat", "/etc/subuid")...), a.name+":")
		s.must(a.command("sh", "-c", `echo >"$HOME/file" && echo >"$TMPDIR/file" && test -w "$XDG_RUNTIME_DIR"`)...)
		if a.name == madeUser && s.try("getent", "passwd", madeUser).code == 0 {
			s.failf("the host has an account %s", madeUser)
		}
	})
	if s.outcome != passed {
		t.Errorf("%s\n%s", s.reason, &s.record)
	}
}
