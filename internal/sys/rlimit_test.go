package sys

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestRestoreNofile_GivesBackTheCallersLimit(t *testing.T) {
	if os.Getenv("TARE_TEST_NOFILE") != "" {
		RestoreNofile()
		var l syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur != 77 {
			t.Fatalf("soft limit %d (%v), want 77", l.Cur, err)
		}
		return
	}
	cmd := exec.Command("sh", "-c", `ulimit -Sn 77 && exec "$0" -test.run=TestRestoreNofile -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "TARE_TEST_NOFILE=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}
