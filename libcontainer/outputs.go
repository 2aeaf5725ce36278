package libcontainer

import (
	"fmt"
	"path/filepath"
	"strconv"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// What a process gets from the caller and is told to the caller, the same for a container's first one and for others.

// maxDescriptors is more than a process can have open (fs.nr_open).
const maxDescriptors = 1 << 30

// checkInherited makes sure that the descriptors from 3 on were really passed.
func checkInherited(listen, preserve int) error {
	switch {
	case preserve > maxDescriptors:
		return fmt.Errorf("preserve %d descriptors: %w: no process can have so many", preserve, unix.EBADF)
	case listen > maxDescriptors:
		return fmt.Errorf("hand on the %d sockets of LISTEN_FDS: %w: no process can have so many", listen, unix.EBADF)
	}
	for fd := 3; fd < 3+listen+preserve; fd++ {
		if !sys.IsInherited(fd) {
			return fmt.Errorf("preserved descriptor %d: %w", fd, unix.EBADF)
		}
	}
	return nil
}

// checkPidFile refuses a pid file that cannot be written before a workload has run in vain. An empty path is none.
func checkPidFile(path string) error {
	if path == "" {
		return nil
	}
	if err := checkDirOf(path); err != nil {
		return fmt.Errorf("pid file: %w", err)
	}
	return nil
}

// checkDirOf tells whether there is a directory for a file at path.
func checkDirOf(path string) error {
	fd, err := sys.Openat(unix.AT_FDCWD, filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	sys.Close(fd)
	return nil
}

func writePidFile(path string, pid int) error {
	if path == "" {
		return nil
	}
	if err := sys.ReplaceFile(path, strconv.AppendInt(nil, int64(pid), 10), 0o666); err != nil {
		return fmt.Errorf("pid file: %w", err)
	}
	return nil
}

// sendPidfd sends the descriptor to the socket, with the word for what kind of process it is.
func sendPidfd(path string, pidfd int, kind string) error {
	if path == "" {
		return nil
	}
	socket, err := sys.ConnectUnix(path)
	if err != nil {
		return fmt.Errorf("pidfd socket: %w", err)
	}
	defer sys.Close(socket)
	if err := sys.SendFD(socket, pidfd, kind); err != nil {
		return fmt.Errorf("pidfd socket: %w", err)
	}
	return nil
}
