package seccomp

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"tare/seccomp/bpf"
)

// Admits tells whether the program lets this system call of this architecture through. An argument that is not given is
// taken for zero.
func (p *Program) Admits(number uintptr, args ...uint64) bool {
	value, ok := p.verdict(number, args)
	return ok && runs(value)
}

// CheckExecution tells of a program under which no process can start: execve(2) is the first call that it judges. It would be too late to tell
// of that then, as a program that forbids execve mostly forbids what it takes to tell.
func (p *Program) CheckExecution() error {
	if value, ok := p.verdict(unix.SYS_EXECVE, nil); ok && refuses(value) {
		return errors.New(pointer + ": the profile forbids execve, by which the process is started under it")
	}
	return nil
}

// verdict is what the program says of a call of this architecture.
func (p *Program) verdict(number uintptr, args []uint64) (value uint32, ok bool) {
	name, err := NativeArch()
	if err != nil {
		return 0, false
	}
	data := bpf.Data{Number: uint32(number), Arch: findArch(name).token}
	copy(data.Args[:], args)
	value, err = bpf.Run(p.Filter, &data, binary.NativeEndian)
	return value, err == nil
}
