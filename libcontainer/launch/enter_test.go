package launch

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"tare/internal/procfs"
	"tare/internal/sys"
)

// Who may trace the process can say any pid in its stead: one that is no child of ours is not waited for, signalled or told on.
func TestAdmit_Forged(t *testing.T) {
	for _, pid := range []int{1, os.Getppid(), os.Getpid(), -1, 0, 1 << 30} {
		e := &Entrant{gate: -1}
		err := e.admit(pid, func(int, int) error { t.Errorf("pid %d was placed", pid); return nil })
		if !errors.Is(err, errForged) || e.Pid != 0 {
			t.Errorf("pid %d: %v, %+v, want errForged", pid, err, e)
		}
	}
}

func TestAdmit(t *testing.T) {
	cmd := exec.Command("sleep", "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	read, write, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(read)
	defer unix.Close(write)
	e := &Entrant{gate: write}
	placed := 0
	if err := e.admit(cmd.Process.Pid, func(pid, pidfd int) error { placed = pid; return nil }); err != nil || placed != cmd.Process.Pid || e.Pid != placed {
		t.Fatalf("%v, placed %d", err, placed)
	}
	unix.Close(e.Pidfd)
	var b [1]byte
	if n, err := unix.Read(read, b[:]); n != 1 {
		t.Errorf("the gate was not opened: %v", err)
	}
}

func TestFindResidence(t *testing.T) {
	needRoot(t)
	proc, err := procfs.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Close()
	r, err := FindResidence(proc, os.Getpid())
	if err != nil || r.flags != 0 || r.EntersEarly() || len(r.join(7)) != 0 {
		t.Errorf("our own: %+v, %v", r, err)
	}
	if _, err := FindResidence(proc, 1<<30); !errors.Is(err, unix.ENOENT) {
		t.Errorf("no process: %v, want ENOENT", err)
	}
	r = Residence{flags: unix.CLONE_NEWPID | unix.CLONE_NEWUSER | unix.CLONE_NEWNS}
	if join := r.join(7); len(join) != 1 || join[0].Type != unix.CLONE_NEWUSER|unix.CLONE_NEWNS || join[0].FD != 7 {
		t.Errorf("the PID namespace is not last: %+v", join)
	}
	r.early = true
	if join := r.join(7); len(join) != 2 || join[0].Type != unix.CLONE_NEWPID {
		t.Errorf("the PID namespace is not first: %+v", join)
	}
}
