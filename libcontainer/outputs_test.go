package libcontainer

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What is counted wrongly is said of the number that is wrong.
func TestCheckInherited(t *testing.T) {
	if err := checkInherited(0, 0); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		listen, preserve int
		want             string
	}{
		{0, 2000000000, "preserve 2000000000 descriptors: bad file descriptor: no process can have so many"},
		{2000000000, 0, "hand on the 2000000000 sockets of LISTEN_FDS: bad file descriptor: no process can have so many"},
		{0, maxDescriptors, "preserved descriptor "},
	} {
		if err := checkInherited(tt.listen, tt.preserve); !errors.Is(err, unix.EBADF) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%d sockets and %d more: %v, want %q", tt.listen, tt.preserve, err, tt.want)
		}
	}
}
