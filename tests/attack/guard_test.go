package attack

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// guard keeps the removal of a container's bundle from reaching through mounts that a broken runtime has left in it:
// os.RemoveAll does not stop at a bind mount, it empties what is behind it. Call it right after NewContainer, so that
// it is done before the bundle is removed. When a mount cannot be taken away the process ends there and then: what
// stays in the temporary directory does no harm.
//
// For the same reason a test here binds only what it has made itself, never a directory of the host's.
func guard(t *testing.T, c *Container) *Container {
	t.Helper()
	t.Cleanup(func() {
		for range 100 {
			left := HostMounts(t, " "+c.Dir+"/")
			if len(left) == 0 {
				return
			}
			t.Errorf("the runtime left the mount %s", left[len(left)-1])
			_ = unix.Unmount(strings.Fields(left[len(left)-1])[4], unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		}
		fmt.Fprintln(os.Stderr, "mounts are left below", c.Dir, "and cannot be removed: not cleaning up")
		os.Exit(1)
	})
	return c
}
