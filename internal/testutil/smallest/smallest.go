package smallest

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
)

// exitCode is machine code for exit(0), by GOARCH.
var exitCode = map[string]struct {
	machine uint16 // ELF e_machine
	code    string
}{
	"amd64":   {62, "\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05"},              // mov $60,%eax; xor %edi,%edi; syscall
	"arm64":   {183, "\x00\x00\x80\xd2\xa8\x0b\x80\xd2\x01\x00\x00\xd4"}, // mov x0,#0; mov x8,#93; svc #0
	"riscv64": {243, "\x13\x05\x00\x00\x93\x08\xd0\x05\x73\x00\x00\x00"}, // li a0,0; li a7,93; ecall
}

// pauseCode is machine code for pause(2) without end.
var pauseCode = map[string]string{
	"amd64": "\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7", // mov $34,%eax; syscall; jmp to the start
}

// Write writes the program to path. ok is false for an architecture that it does not know.
func Write(path string) (ok bool, err error) {
	exit, ok := exitCode[runtime.GOARCH]
	if !ok {
		return false, nil
	}
	return true, write(path, exit.machine, exit.code)
}

// WriteWaiting writes a program that does nothing until a signal ends it.
func WriteWaiting(path string) (ok bool, err error) {
	code, ok := pauseCode[runtime.GOARCH]
	if !ok {
		return false, nil
	}
	return true, write(path, exitCode[runtime.GOARCH].machine, code)
}

// write makes an executable of one segment.
func write(path string, machine uint16, code string) error {
	const (
		base      = 0x400000
		headers   = 64 + 56
		page      = 4096
		readAndGo = 5
	)
	size := uint64(headers + len(code))
	var b bytes.Buffer
	b.WriteString("\x7fELF\x02\x01\x01" + string(make([]byte, 9)))
	for _, field := range []any{
		uint16(2), machine, uint32(1), uint64(base + headers), uint64(64), uint64(0), uint32(0), // executable; entry; headers
		uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(readAndGo), uint64(0), uint64(base), uint64(base), size, size, uint64(page), // one segment
	} {
		if err := binary.Write(&b, binary.LittleEndian, field); err != nil {
			return err
		}
	}
	b.WriteString(code)
	return os.WriteFile(path, b.Bytes(), 0o755)
}
