package seccomp

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"tare/seccomp/bpf"
)

// Admits tells whether the program lets this system call of this architecture through. An argument that is not given is
// taken for zero.
func (p *Program) Admits(number uintptr, args ...uint64) bool {
	name, err := NativeArch()
	if err != nil {
		return false
	}
	data := bpf.Data{Number: uint32(number), Arch: findArch(name).token}
	copy(data.Args[:], args)
	value, err := bpf.Run(p.Filter, &data, binary.NativeEndian)
	if err != nil {
		return false
	}
	action := value & unix.SECCOMP_RET_ACTION_FULL
	return action == unix.SECCOMP_RET_ALLOW || action == unix.SECCOMP_RET_LOG
}
