package sys

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSeccompSetFilterRefusesUnusableLengths(t *testing.T) {
	for name, n := range map[string]int{"none": 0, "more than sock_fprog can say": 1 << 16} {
		t.Run(name, func(t *testing.T) {
			_, err := SeccompSetFilter(0, make([]unix.SockFilter, n))
			var call *os.SyscallError
			if !errors.As(err, &call) || !errors.Is(err, unix.EINVAL) {
				t.Fatalf("error %v, want a SyscallError with EINVAL", err)
			}
		})
	}
}

func TestSeccompSetFilterPassesTheKernelsVerdictOn(t *testing.T) {
	// No return at the end: the kernel's checker rejects it, whatever our privileges, so the test process stays unfiltered.
	bad := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}}
	if _, err := SeccompSetFilter(0, bad); !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EACCES) {
		t.Fatalf("error %v, want EINVAL (or EACCES without privilege)", err)
	}
}

func TestSeccompFlagKnown(t *testing.T) {
	if !SeccompFlagKnown(unix.SECCOMP_FILTER_FLAG_LOG | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW) {
		t.Error("LOG and SPEC_ALLOW are older than 5.10, yet reported unknown")
	}
	if !SeccompFlagKnown(unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) { // since 5.19
		t.Error("WAIT_KILLABLE_RECV is unknown")
	}
	if SeccompFlagKnown(1 << 30) {
		t.Error("bit 30 reported known")
	}
}
