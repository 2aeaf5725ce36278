package nsenter

import (
	"errors"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// One side leaves a listener and stands still until the other has carried it away.
func TestRelay(t *testing.T) {
	r := must(NewRelay())
	defer unix.Close(r.FD)
	left := make(chan bool)
	go func() {
		r.Begin()
		r.Leave(0) // the lowest number there is
		left <- true
	}()
	if fd := must(r.Await()); fd != 0 {
		t.Errorf("listener %d", fd)
	}
	select {
	case <-left:
		t.Error("Leave returned before Release")
	default:
	}
	r.Release()
	<-left
	r.Kill() // nobody: there is no other process
}

// What became of the process is read by its descriptor, by whoever has that.
func TestFateOf(t *testing.T) {
	r := must(NewRelay())
	defer unix.Close(r.FD)
	if err := FateOf(r.FD); err != nil {
		t.Errorf("at the beginning: %v", err)
	}
	r.fail(stepExecute, syscall.ENOSYS)
	failed, ok := errors.AsType[*Error](FateOf(r.FD))
	if !ok || !failed.Executing() || failed.Errno != unix.ENOSYS {
		t.Errorf("%v", failed)
	}
	r.fail(stepFilter, syscall.EBUSY)
	if failed, ok := errors.AsType[*Error](FateOf(r.FD)); !ok || !failed.Loading() || failed.Executing() {
		t.Errorf("%v", failed)
	}
	// Who traces the process may have written anything.
	for _, s := range []step{stepSpawn, stepPid, stepHolder + 1, 1<<32 - 1} {
		r.fail(s, 0x7fffffff)
		if err := FateOf(r.FD); err == nil || err.Error() == "" {
			t.Errorf("step %d: %v", s, err)
		}
	}
	read, _ := pipe(t)
	if err := FateOf(int(read.Fd())); err == nil {
		t.Error("no error for a descriptor that is no relay's")
	}
}
