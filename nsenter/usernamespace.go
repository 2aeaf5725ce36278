package nsenter

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// NewUserNamespace makes a user namespace with the id maps that mapIDs writes for the process pid, and opens it. The process
// that it is made with has ended when it returns: the descriptor alone keeps the namespace.
func NewUserNamespace(mapIDs func(pid int) error) (*os.File, error) {
	read, write, err := sys.Pipe()
	if err != nil {
		return nil, err
	}
	args := cloneArgs{flags: unix.CLONE_NEWUSER, exitSignal: uint64(unix.SIGCHLD)}
	syscall.ForkLock.Lock()
	child, errno := forkHolder(&args, read, write)
	afterFork()
	syscall.ForkLock.Unlock()
	sys.Close(read)
	if errno != 0 {
		sys.Close(write)
		return nil, &Error{Step: stepHolder, Errno: errno}
	}
	pid := int(child)
	err = mapIDs(pid)
	var f *os.File
	if err == nil {
		f, err = openUserNamespace(pid)
	}
	sys.Close(write)
	_ = unix.Kill(pid, unix.SIGKILL) // another one that was forked meanwhile may have the other end, too
	_, _ = sys.Wait(pid)
	return f, err
}

func openUserNamespace(pid int) (*os.File, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/ns/user"
	fd, err := sys.Openat(unix.AT_FDCWD, path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// forkHolder forks a process that does nothing until nobody has the other end of its pipe any more: this process has
// closed it, or has died. In the parent it returns as a clone does; the caller calls afterFork.
//
//go:noinline
//go:norace
func forkHolder(args *cloneArgs, read, write int) (pid uintptr, errno syscall.Errno) {
	beforeFork()
	pid, _, errno = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), sizeofCloneArgs, 0)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	afterForkInChild()
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, uintptr(write), 0, 0)
	var b byte
	for {
		_, _, errno = syscall.RawSyscall(unix.SYS_READ, uintptr(read), uintptr(unsafe.Pointer(&b)), 1)
		if errno != unix.EINTR {
			exit(0)
		}
	}
}
