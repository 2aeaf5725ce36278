package nsenter

import (
	"encoding/binary"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// Relay brings the listener of a filter with notifications (SCMP_ACT_NOTIFY) out of the process that has loaded it. The
// next system call of that process may be one that waits for an answer of whoever gets the listener: so it makes none, and
// leaves the number in memory to a thread without the filter that shares its descriptors. Whoever maps or reads that memory
// also learns why the process ended without an execution: to write that somewhere may be refused by now.
type Relay struct {
	// FD is a descriptor of the memory, for FateOf. It is close-on-exec.
	FD  int
	mem *relayMemory
}

// relayMemory is shared with what is forked.
type relayMemory struct {
	begun    uint32 // futex: the filter is about to be loaded
	listener uint32 // its descriptor, plus 1
	done     uint32 // it is out
	pid      int32  // of the process that loads it, where that is another
	fate     message
}

// NewRelay makes a relay, which lasts as long as the process.
func NewRelay() (*Relay, error) {
	fd, err := unix.MemfdCreate("relay", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	size := os.Getpagesize()
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		sys.Close(fd)
		return nil, os.NewSyscallError("ftruncate", err)
	}
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		sys.Close(fd)
		return nil, os.NewSyscallError("mmap", err)
	}
	return &Relay{FD: fd, mem: (*relayMemory)(unsafe.Pointer(&mem[0]))}, nil
}

// FateOf gives the *Error of the process under the filter, whose relay's descriptor was passed on. nil: it was executed, or
// killed.
func FateOf(relay int) error {
	var b [unsafe.Sizeof(message{})]byte
	n, err := sys.Pread(relay, b[:], int64(unsafe.Offsetof(relayMemory{}.fate)))
	m := message{step: step(binary.NativeEndian.Uint32(b[:])), value: int32(binary.NativeEndian.Uint32(b[4:]))}
	if err != nil || n != len(b) || m.step == stepDone {
		return err
	}
	return &Error{Step: m.step, Errno: syscall.Errno(m.value)}
}

// fail leaves a failure where FateOf finds it.
//
//go:nosplit
//go:norace
func (r *Relay) fail(s step, errno syscall.Errno) {
	r.mem.fate = message{step: s, value: int32(errno)}
}

// Begin wakes Await. It is the last system call before the filter.
//
//go:nosplit
//go:norace
func (r *Relay) Begin() {
	atomic.StoreUint32(&r.mem.begun, 1)
	const futexWake = 1
	_, _, _ = syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&r.mem.begun)), futexWake, 1, 0, 0, 0)
}

// Leave leaves the listener to Await, and returns when Release was called. It waits without a system call; there is no other
// way to. The thread that carries the listener has the deadline.
//
//go:nosplit
//go:norace
func (r *Relay) Leave(listener int) {
	atomic.StoreUint32(&r.mem.listener, uint32(listener)+1)
	for atomic.LoadUint32(&r.mem.done) == 0 { //nolint:revive // see above
	}
}

// Await waits for Begin, and then the few microseconds until Leave: the load has no other sign.
func (r *Relay) Await() (listener int, err error) {
	for atomic.LoadUint32(&r.mem.begun) == 0 {
		if err := sys.FutexWait(&r.mem.begun, 0); err != nil {
			return -1, err
		}
	}
	for {
		if n := atomic.LoadUint32(&r.mem.listener); n != 0 {
			return int(n - 1), nil
		}
		sys.Yield()
	}
}

// Release lets Leave return.
func (r *Relay) Release() { atomic.StoreUint32(&r.mem.done, 1) }

// Kill kills the process that a Spawn has made, if it has.
func (r *Relay) Kill() {
	if pid := atomic.LoadInt32(&r.mem.pid); pid > 0 {
		_ = unix.Kill(int(pid), unix.SIGKILL)
	}
}

// stay keeps the process whose descriptors the workload shares as long as that has not brought its listener out, or died.
//
//go:nosplit
//go:norace
func (r *Relay) stay(pid uintptr) {
	atomic.StoreInt32(&r.mem.pid, int32(pid))
	pidfd, _, errno := syscall.RawSyscall(unix.SYS_PIDFD_OPEN, pid, 0, 0)
	if errno != 0 {
		return // it is gone, and was waited for
	}
	fds := [1]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		n, _, _ := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), 1, 0, 0, 0, 0)
		if n == 1 {
			return
		}
	}
}
