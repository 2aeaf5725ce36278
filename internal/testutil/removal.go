package testutil

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// removeTree removes a directory of the tests. os.RemoveAll does not stop at a mount: it would empty what a broken
// runtime has left bound in there, a directory of the host's for instance. So mounts are taken away first, and told
// of; if one stays, the directory stays too. For the same reason a test binds only what it has made itself.
func removeTree(dir string) error {
	for range 100 {
		left, err := mountsBelow(dir)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return os.RemoveAll(dir)
		}
		last := left[len(left)-1]
		if err := unix.Unmount(last, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("the runtime left a mount on %s, which stays: %w", last, err)
		}
		fmt.Fprintf(os.Stderr, "the runtime left a mount on %s\n", last)
	}
	return fmt.Errorf("there are mounts below %s: it stays", dir)
}

// mountsBelow lists the mount points at and below dir, in the order they were made.
func mountsBelow(dir string) (points []string, err error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 4 && (fields[4] == dir || strings.HasPrefix(fields[4], dir+"/")) {
			points = append(points, fields[4])
		}
	}
	return points, nil
}
