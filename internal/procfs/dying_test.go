package procfs

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHandle_Dying(t *testing.T) {
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if dying, err := h.Dying(os.Getpid()); dying || err != nil {
		t.Errorf("this process: %v, %v", dying, err)
	}
	if _, err := h.Dying(1 << 30); err == nil {
		t.Error("no error for a process that is not there")
	}
	// A process that has ended and is not waited for has the flag for good.
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if dying, err := h.Dying(cmd.Process.Pid); !dying || err != nil {
		t.Errorf("a process that has ended: %v, %v", dying, err)
	}
	_ = cmd.Wait()
}

func TestKillPending(t *testing.T) {
	for text, want := range map[string]bool{
		"Name:\tx\nSigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n": true,
		"SigPnd:\t0000000000000000\nShdPnd:\t0000000000000100\n":           true,
		"SigPnd:\t0000000000004000\nShdPnd:\t0000000000000000\n":           false, // SIGTERM
		"SigBlk:\t0000000000000100\nSigIgn:\t0000000000000100\n":           false,
		"SigPnd:\tx\nShdPnd": false,
		"":                   false,
	} {
		if got := killPending(strings.NewReader(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
