package sys

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBPFProgName(t *testing.T) {
	allow := []BPFInsn{
		{Code: unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_K, Regs: BPFRegs(0, 0), Imm: 1},
		{Code: unix.BPF_JMP | unix.BPF_EXIT},
	}
	fd, err := BPFProgLoad(unix.BPF_PROG_TYPE_CGROUP_DEVICE, "tare_test", allow)
	if errors.Is(err, unix.EPERM) {
		t.Skip("not allowed here:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if name, err := BPFProgName(fd); name != "tare_test" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x (%v), want close-on-exec", flags, err)
	}
	if _, err := BPFProgLoad(unix.BPF_PROG_TYPE_CGROUP_DEVICE, "tare_test", nil); !errors.Is(err, unix.EINVAL) {
		t.Errorf("an empty program: %v", err)
	}
	if _, err := BPFProgOpen(1 << 31); !errors.Is(err, unix.ENOENT) {
		t.Errorf("an id that is not there: %v", err)
	}
}
