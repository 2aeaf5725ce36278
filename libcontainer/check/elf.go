package check

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"strings"
)

// elf is what the kernel looks at in the header of an ELF file (elf(5)).
type elf struct {
	kind    uint16 // ET_*
	machine uint16 // EM_*
	wide    bool   // 64 bits
	big     bool   // big-endian
	interp  string // the loader, "" for a static program
}

const (
	elfExec, elfDyn = 2, 3
	segmentInterp   = 3
	headerSize      = 64
	interpLimit     = 4096    // PATH_MAX
	segmentsLimit   = 1 << 16 // bytes: ELF_MIN_ALIGN of the kernel, or more
)

var errELF = errors.New("its ELF header is damaged")

// readELF reads no more than the kernel does. debug/elf reads all sections, and would add its tables to every start.
func readELF(r io.ReaderAt, head []byte) (e elf, err error) {
	if len(head) < headerSize || head[4] != 1 && head[4] != 2 || head[5] != 1 && head[5] != 2 {
		return e, errELF
	}
	e.wide, e.big = head[4] == 2, head[5] == 2
	var order binary.ByteOrder = binary.LittleEndian
	if e.big {
		order = binary.BigEndian
	}
	e.kind, e.machine = order.Uint16(head[16:]), order.Uint16(head[18:])
	offset, size, count := uint64(order.Uint32(head[28:])), order.Uint16(head[42:]), order.Uint16(head[44:])
	least := 32
	if e.wide {
		offset, size, count = order.Uint64(head[32:]), order.Uint16(head[54:]), order.Uint16(head[56:])
		least = 56
	}
	if int(size) != least || count == 0 || int(size)*int(count) > segmentsLimit || offset > 1<<40 {
		return e, errELF
	}
	table := make([]byte, int(size)*int(count))
	if _, err := r.ReadAt(table, int64(offset)); err != nil {
		return e, errELF
	}
	for ; len(table) > 0; table = table[size:] {
		if order.Uint32(table) != segmentInterp {
			continue
		}
		at, length := uint64(order.Uint32(table[4:])), uint64(order.Uint32(table[16:]))
		if e.wide {
			at, length = order.Uint64(table[8:]), order.Uint64(table[32:])
		}
		if length < 2 || length > interpLimit || at > 1<<40 {
			return e, errELF
		}
		name := make([]byte, length)
		if _, err := r.ReadAt(name, int64(at)); err != nil {
			return e, errELF
		}
		e.interp, _, _ = strings.Cut(string(name), "\x00")
		break
	}
	return e, nil
}

// machine is an architecture as ELF files name it.
type machine struct {
	number uint16
	wide   bool
	big    bool
	name   string
}

func (e *elf) is(m machine) bool { return e.machine == m.number && e.wide == m.wide && e.big == m.big }

func machines() []machine {
	return []machine{
		{62, true, false, "amd64"},
		{62, false, false, "x32"},
		{3, false, false, "386"},
		{183, true, false, "arm64"},
		{40, false, false, "arm"},
		{243, true, false, "riscv64"},
		{21, true, false, "ppc64le"},
		{21, true, true, "ppc64"},
		{22, true, true, "s390x"},
		{258, true, false, "loong64"},
		{8, false, true, "mips"},
		{8, false, false, "mipsle"},
		{8, true, true, "mips64"},
		{8, true, false, "mips64le"},
	}
}

// native says whether the kernel that this binary runs on executes the file by itself.
func (e *elf) native() bool {
	also := map[string]string{"amd64": "386 x32", "arm64": "arm", "mips64": "mips", "mips64le": "mipsle"}[runtime.GOARCH]
	for _, name := range append(strings.Fields(also), runtime.GOARCH) {
		for _, m := range machines() {
			if m.name == name && e.is(m) {
				return true
			}
		}
	}
	return false
}

func (e *elf) architecture() string {
	for _, m := range machines() {
		if e.is(m) {
			return m.name
		}
	}
	return fmt.Sprintf("an unknown architecture (ELF machine %d)", e.machine)
}

// elf looks at an ELF file: its architecture, and its loader.
func (c *checker) elf(s *search, file *os.File, head []byte, name string) {
	e, err := readELF(file, head)
	if err == nil && e.kind != elfExec && e.kind != elfDyn {
		err = errors.New("it is an ELF file, but no program")
	}
	if err != nil {
		c.add(Finding{
			ID: "program-format", Severity: Error, Pointer: s.pointer, Message: fmt.Sprintf("exec: %q: exec format error: %v", name, err),
			Why: "execve(2): ENOEXEC", Mend: "was it copied in full? Put the program there anew",
		})
		return
	}
	if !e.native() {
		c.foreign(s, &e, head, name)
		return
	}
	if e.interp != "" && s.depth == 0 {
		c.loader(s, &e, name)
	}
}

// foreign is about a program for another architecture.
func (c *checker) foreign(s *search, e *elf, head []byte, name string) {
	f := Finding{
		ID: "program-architecture", Severity: Error, Pointer: s.pointer,
		Message: fmt.Sprintf("exec: %q: exec format error: it is for %s, and this host is %s", name, e.architecture(), runtime.GOARCH),
		Why:     "execve(2): ENOEXEC",
		Mend:    "take an image for " + runtime.GOARCH + ", or register an emulator (qemu-user-static) with binfmt_misc",
	}
	if handler := c.interpreted(head, path.Base(name)); handler != "" {
		f.Severity = Warning
		f.Message = fmt.Sprintf("%s is for %s, and this host is %s: binfmt_misc has %s to run it, slowly", quote(name), e.architecture(), runtime.GOARCH, handler)
		f.Why = "the kernel's binfmt_misc"
		f.Mend = "take an image for " + runtime.GOARCH + " if it is not meant to be emulated"
	}
	c.add(f)
}

// loader looks for the dynamic loader of a program.
func (c *checker) loader(s *search, e *elf, name string) {
	f := Finding{
		ID: "loader-missing", Severity: s.severe(), Pointer: s.pointer,
		Why:  "execve(2): ENOENT, if the PT_INTERP interpreter of an ELF file is not there: the error names the program, not the loader",
		Mend: "install the C library that the program was built for, or build it static",
	}
	switch {
	case strings.Contains(e.interp, "ld-musl"):
		f.Mend = "it is built for musl (Alpine): take a program built for this image, install musl, or build it static"
	case strings.Contains(e.interp, "ld-linux"), strings.Contains(e.interp, "ld64.so"):
		f.Mend = "it is built for glibc (Debian, Fedora): take a program built for this image, install libc6 (gcompat on Alpine), or build it static (CGO_ENABLED=0 for Go)"
	}
	loader, err := s.view.walk(s.file(e.interp))
	if err != nil {
		var absent *absentError
		if errors.As(err, &absent) {
			f.Message = fmt.Sprintf("%s needs the loader %s, which is not there", quote(name), e.interp)
			c.add(f)
		}
		return
	}
	defer loader.close()
	again := *s
	again.depth++
	c.executable(&again, loader, e.interp)
}
