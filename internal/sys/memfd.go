package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// MemFile makes an anonymous file with that content, at its beginning. memfd_create(2).
func MemFile(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteAt(content, 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// MemfdExecutable makes an anonymous file that can be sealed and executed. The caller closes it. memfd_create(2).
func MemfdExecutable(name string) (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // MFD_EXEC: Linux 6.3; before, every one can be executed
		fd, err = unix.MemfdCreate(name, flags)
	}
	return fd, os.NewSyscallError("memfd_create", err)
}

// CopyAll copies from in's offset to its end into out. sendfile(2).
func CopyAll(out, in int) error {
	for {
		n, err := unix.Sendfile(out, in, nil, 1<<30)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n == 0 || err != nil {
			return os.NewSyscallError("sendfile", err)
		}
	}
}
