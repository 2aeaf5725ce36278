package sys

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BPFInsn is struct bpf_insn: one instruction of an extended BPF program in the kernel's own memory layout, so that a
// program is passed as it stands. Regs holds two 4-bit register numbers in the machine's bit order: BPFRegs packs it.
type BPFInsn struct {
	Code uint8
	Regs uint8
	Off  int16
	Imm  int32
}

// bigEndian says that C bit fields begin at the most significant bit, which is so on every big-endian Linux.
const bigEndian = runtime.GOARCH == "s390x" || runtime.GOARCH == "ppc64" ||
	runtime.GOARCH == "mips" || runtime.GOARCH == "mips64"

// BPFRegs packs the destination and source registers of an instruction.
func BPFRegs(dst, src uint8) uint8 {
	if bigEndian {
		return dst<<4 | src
	}
	return src<<4 | dst
}

// ptrPad fills a pointer up to the eight bytes that union bpf_attr has for it. (Right for 64-bit and little-endian 32-bit
// machines: there is no big-endian 32-bit one among ours.) The pointers stay unsafe.Pointer, not integers, for the garbage
// collector and for stacks that move.
type ptrPad [8 - unsafe.Sizeof(uintptr(0))]byte

type bpfLoadAttr struct {
	progType   uint32
	insnCount  uint32
	insns      unsafe.Pointer
	_          ptrPad
	license    unsafe.Pointer
	_          ptrPad
	logLevel   uint32
	logSize    uint32
	logBuf     unsafe.Pointer
	_          ptrPad
	kernelVer  uint32
	flags      uint32
	name       [16]byte
	ifindex    uint32
	attachType uint32
}

// BPFProgLoad loads a program without maps and helpers, and returns its descriptor (close-on-exec), which the caller owns.
// The name (at most 15 letters, digits, '_' and '.') is what `bpftool prog` shows.
//
// When the verifier refuses the program its last words are in the error. Before Linux 5.11 programs were charged to
// RLIMIT_MEMLOCK of the user, for which EPERM was the answer: the limit is then lifted for the length of one more attempt.
func BPFProgLoad(progType uint32, name string, insns []BPFInsn) (int, error) {
	if len(insns) == 0 {
		return -1, os.NewSyscallError("bpf BPF_PROG_LOAD", unix.EINVAL)
	}
	license := [...]byte{'A', 'p', 'a', 'c', 'h', 'e', '-', '2', '.', '0', 0}
	attr := bpfLoadAttr{
		progType:  progType,
		insnCount: uint32(len(insns)),
		insns:     unsafe.Pointer(&insns[0]),
		license:   unsafe.Pointer(&license[0]),
	}
	copy(attr.name[:len(attr.name)-1], name)
	fd, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	switch {
	case err == nil:
		return fd, nil
	case errors.Is(err, unix.EPERM):
		if fd, ok := loadBeyondMemlock(&attr); ok {
			return fd, nil
		}
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EINVAL):
		// The log is asked for only now: it makes loading several times slower.
		log := make([]byte, 64<<10)
		attr.logLevel, attr.logSize, attr.logBuf = 1, uint32(len(log)), unsafe.Pointer(&log[0])
		if fd, again := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr)); again == nil {
			return fd, nil
		}
		if words := lastLines(unix.ByteSliceToString(log), 4); words != "" {
			return -1, fmt.Errorf("bpf BPF_PROG_LOAD: the verifier refused the program (%s): %w", words, err)
		}
	}
	return -1, os.NewSyscallError("bpf BPF_PROG_LOAD", err)
}

// loadBeyondMemlock tries once more with RLIMIT_MEMLOCK lifted, which needs CAP_SYS_RESOURCE, and puts the limit back.
func loadBeyondMemlock(attr *bpfLoadAttr) (int, bool) {
	var old unix.Rlimit
	if unix.Prlimit(0, unix.RLIMIT_MEMLOCK, nil, &old) != nil || old.Cur == unix.RLIM_INFINITY {
		return -1, false
	}
	lifted := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if unix.Prlimit(0, unix.RLIMIT_MEMLOCK, &lifted, nil) != nil {
		return -1, false
	}
	fd, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(attr), unsafe.Sizeof(*attr))
	_ = unix.Prlimit(0, unix.RLIMIT_MEMLOCK, &old, nil)
	return fd, err == nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "; ")
}

type bpfAttachAttr struct {
	target     uint32
	prog       uint32
	attachType uint32
	flags      uint32
	replace    uint32
}

// BPFProgAttach attaches prog to the cgroup directory (O_PATH is enough) so that programs of ancestors and descendants run
// too (BPF_F_ALLOW_MULTI). With replace >= 0 it takes the place of that attached program in one step (Linux 5.6), so that
// at no instant none of the two decides. The kernel keeps the program for as long as the cgroup lives.
func BPFProgAttach(cgroup, prog int, attachType uint32, replace int) error {
	attr := bpfAttachAttr{
		target: uint32(cgroup), prog: uint32(prog),
		attachType: attachType, flags: unix.BPF_F_ALLOW_MULTI,
	}
	if replace >= 0 {
		attr.flags |= unix.BPF_F_REPLACE
		attr.replace = uint32(replace)
	}
	_, err := bpf(unix.BPF_PROG_ATTACH, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return os.NewSyscallError("bpf BPF_PROG_ATTACH", err)
}

type bpfQueryAttr struct {
	target      uint32
	attachType  uint32
	queryFlags  uint32
	attachFlags uint32
	ids         unsafe.Pointer
	_           ptrPad
	count       uint32
	_           uint32
}

// BPFProgQuery lists the ids of the programs attached to the cgroup directory itself, not to its ancestors. The kernel
// takes at most 64 on one cgroup.
func BPFProgQuery(cgroup int, attachType uint32) ([]uint32, error) {
	ids := make([]uint32, 64)
	attr := bpfQueryAttr{
		target: uint32(cgroup), attachType: attachType,
		ids: unsafe.Pointer(&ids[0]), count: uint32(len(ids)),
	}
	if _, err := bpf(unix.BPF_PROG_QUERY, unsafe.Pointer(&attr), unsafe.Sizeof(attr)); err != nil {
		return nil, os.NewSyscallError("bpf BPF_PROG_QUERY", err)
	}
	return ids[:min(int(attr.count), len(ids))], nil
}

// BPFProgOpen returns a descriptor, owned by the caller, of the loaded program with that id.
func BPFProgOpen(id uint32) (int, error) {
	attr := struct{ id, next, flags uint32 }{id: id}
	fd, err := bpf(unix.BPF_PROG_GET_FD_BY_ID, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil {
		return -1, os.NewSyscallError("bpf BPF_PROG_GET_FD_BY_ID", err)
	}
	return fd, nil
}

// BPFProgName returns the name a program was loaded with.
func BPFProgName(prog int) (string, error) {
	var info struct { // the head of struct bpf_prog_info
		_    [64]byte
		name [16]byte
	}
	attr := struct {
		prog uint32
		size uint32
		info unsafe.Pointer
		_    ptrPad
		_    uint32 // no zero-sized field at the end: it would be padded
	}{prog: uint32(prog), size: uint32(unsafe.Sizeof(info)), info: unsafe.Pointer(&info)}
	// The kernel's attr for this command is 16 bytes; what is beyond it must be zero, and is.
	if _, err := bpf(unix.BPF_OBJ_GET_INFO_BY_FD, unsafe.Pointer(&attr), 16); err != nil {
		return "", os.NewSyscallError("bpf BPF_OBJ_GET_INFO_BY_FD", err)
	}
	return unix.ByteSliceToString(info.name[:]), nil
}

// bpf is bpf(2). The verifier may be interrupted by a signal, the runtime's own preemption signal included: EAGAIN then.
func bpf(cmd int, attr unsafe.Pointer, size uintptr) (int, error) {
	for range 10 {
		r, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(attr), size)
		if errno == 0 {
			return int(r), nil
		}
		if errno != unix.EAGAIN && errno != unix.EINTR {
			return -1, errno
		}
	}
	return -1, unix.EAGAIN
}
