package sys

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestGracePeriod(t *testing.T) {
	if err := GracePeriod(); errors.Is(err, unix.EINVAL) {
		t.Skip("this kernel was booted with nohz_full")
	} else if err != nil {
		t.Error(err)
	}
}
