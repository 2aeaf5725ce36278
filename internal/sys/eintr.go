package sys

import (
	"errors"

	"golang.org/x/sys/unix"
)

// retryEINTR calls f until a signal did not interrupt it: the Go runtime sends itself signals (SIGURG).
func retryEINTR(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
