package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// logFD is from where on the log takes its descriptor: above those that a caller passes on to a workload (--preserve-fds).
// In the place of one that is missing there the log would be taken for it.
const logFD = 200

// OpenLogFile opens path to append to it, made with mode 0644 if need be, every write on disk when it returns. The file
// belongs to the caller.
//
// os.OpenFile would do the same but for one thing: it offers the file to the runtime's poller, which means eight more system
// calls and a second thread awake in a process that mostly never writes to its log.
func OpenLogFile(path string) (*os.File, error) {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_APPEND | unix.O_SYNC | unix.O_CLOEXEC
	var fd int
	err := retryEINTR(func() (err error) {
		fd, err = unix.Open(path, flags, 0o644)
		return err
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	if high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, logFD); err == nil { // not so below a tiny RLIMIT_NOFILE
		_ = unix.Close(fd)
		fd = high
	}
	return os.NewFile(uintptr(fd), path), nil
}
