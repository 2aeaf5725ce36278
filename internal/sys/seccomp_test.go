package sys

import (
	"testing"

	"golang.org/x/sys/unix"
)

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
