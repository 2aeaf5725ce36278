package console

import (
	"errors"
	"fmt"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// OwnStreams makes uid the owner of those of the standard streams that are pipes, so that a process without privileges can open them
// again, as /dev/stdout and the like. A file, a device or a terminal is more than a stream, and stays its owner's. Who may
// not give a pipe away leaves it.
func OwnStreams(uid int) error {
	for fd := range 3 {
		st, err := sys.Fstat(fd)
		if err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO || int(st.Uid) == uid {
			continue // none, or as it should be
		}
		err = sys.Fchown(fd, uid, -1)
		switch {
		case err == nil, errors.Is(err, unix.EPERM), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EROFS):
		default:
			return fmt.Errorf("give the standard stream %d to uid %d: %w", fd, uid, err)
		}
	}
	return nil
}
