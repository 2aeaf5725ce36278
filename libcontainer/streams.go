package libcontainer

import (
	"errors"
	"fmt"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// streams names the standard streams that a container gets from its maker, for a checkpoint: state.State.
func (c *creation) streams() (names []string, err error) {
	if c.wantsTerminal() {
		return nil, nil
	}
	for fd := range 3 {
		name, err := streamName(fd)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

func streamName(fd int) (string, error) {
	st, err := sys.Statx(fd)
	if errors.Is(err, unix.EBADF) {
		return "", nil // closed
	}
	if err != nil {
		return "", err
	}
	fs, err := sys.Fstatfs(fd)
	switch {
	case err != nil:
		return "", err
	case fs.Type == unix.PIPEFS_MAGIC:
		return fmt.Sprintf("pipe:[%d]", st.Ino), nil
	case fs.Type == unix.SOCKFS_MAGIC:
		return fmt.Sprintf("socket:[%d]", st.Ino), nil
	}
	return fmt.Sprintf("file[%x:%x]", st.Mnt_id, st.Ino), nil
}
