// Command gen writes the system call tables of package syscalls from a kernel source tree and from golang.org/x/sys.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// source says how one table is made: which lines (by their ABI column) of which syscall.tbl, and what is added to the numbers.
type source struct {
	table string
	file  string
	abis  string
	base  uint32
}

// In the order of the Table constants. The ABI lists are those the kernel's build uses (arch/*/kernel/syscalls/Makefile,
// scripts/Makefile.asm-headers and arch/*/kernel/Makefile.syscalls), except that 6.12 had lost memfd_secret on loongarch64.
var sources = []source{
	{"X86", "arch/x86/entry/syscalls/syscall_32.tbl", "i386", 0},
	{"X86_64", "arch/x86/entry/syscalls/syscall_64.tbl", "common,64", 0},
	{"X32", "arch/x86/entry/syscalls/syscall_64.tbl", "common,x32", 0},
	{"ARM", "arch/arm/tools/syscall.tbl", "common,eabi", 0},
	{"ARM64", "scripts/syscall.tbl", "common,64,renameat,rlimit,memfd_secret", 0},
	{"MIPS", "arch/mips/kernel/syscalls/syscall_o32.tbl", "common,o32", 4000},
	{"MIPS64", "arch/mips/kernel/syscalls/syscall_n64.tbl", "common,n64", 5000},
	{"MIPS64N32", "arch/mips/kernel/syscalls/syscall_n32.tbl", "common,n32", 6000},
	{"PPC", "arch/powerpc/kernel/syscalls/syscall.tbl", "common,nospu,32", 0},
	{"PPC64", "arch/powerpc/kernel/syscalls/syscall.tbl", "common,nospu,64", 0},
	{"S390", "arch/s390/kernel/syscalls/syscall.tbl", "common,32", 0},
	{"S390X", "arch/s390/kernel/syscalls/syscall.tbl", "common,64", 0},
	{"PARISC", "arch/parisc/kernel/syscalls/syscall.tbl", "common,32", 0},
	{"PARISC64", "arch/parisc/kernel/syscalls/syscall.tbl", "common,64", 0},
	{"RISCV64", "scripts/syscall.tbl", "common,64,riscv,rlimit,memfd_secret", 0},
	{"LOONGARCH64", "scripts/syscall.tbl", "common,64,memfd_secret", 0},
	{"M68K", "arch/m68k/kernel/syscalls/syscall.tbl", "common", 0},
	{"SH", "arch/sh/kernel/syscalls/syscall.tbl", "common", 0},
}

// armExtra are the calls of arch/arm/include/uapi/asm/unistd.h that are in no syscall.tbl, and the second name it gives to number 341.
var armExtra = []call{
	{341, "sync_file_range2"},
	{0x0f0001, "breakpoint"},
	{0x0f0002, "cacheflush"},
	{0x0f0003, "usr26"},
	{0x0f0004, "usr32"},
	{0x0f0005, "set_tls"},
	{0x0f0006, "get_tls"},
}

type call struct {
	number uint32
	name   string
}

func main() {
	kernel := flag.String("kernel", "", "kernel source `tree`")
	out := flag.String("out", "zz_tables.go", "`file` to write")
	flag.Parse()
	if err := run(*kernel, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(kernel, out string) error {
	if kernel == "" {
		return fmt.Errorf("-kernel is not set: set KERNEL_SOURCE to a kernel source tree")
	}
	tables := make([][]call, len(sources))
	for i, s := range sources {
		calls, err := readTable(filepath.Join(kernel, s.file), strings.Split(s.abis, ","))
		if err != nil {
			return err
		}
		younger, err := youngerCalls(calls)
		if err != nil {
			return err
		}
		calls = append(calls, younger...)
		for j := range calls {
			calls[j].number += s.base
		}
		switch s.table {
		case "ARM":
			calls = append(calls, armExtra...)
		case "X86_64":
			calls = append(calls, call{336, "uprobe"}) // Linux 6.17, in the gap below 424 that each architecture fills by itself
		}
		slices.SortStableFunc(calls, func(a, b call) int { return int(a.number) - int(b.number) })
		tables[i] = calls
	}
	source, err := format.Source(render(tables))
	if err != nil {
		return fmt.Errorf("format: %w", err)
	}
	return os.WriteFile(out, source, 0o644)
}

// readTable reads the lines "number abi name ..." of a syscall.tbl whose ABI is one of abis.
func readTable(file string, abis []string) ([]call, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var calls []call
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0][0] == '#' || !slices.Contains(abis, f[1]) || placeholder(f[2]) {
			continue
		}
		n, err := strconv.ParseUint(f[0], 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		calls = append(calls, call{uint32(n), f[2]})
	}
	return calls, nil
}

// placeholder tells names of numbers that only keep a gap filled (reserved82, unused109, ...).
func placeholder(name string) bool {
	for _, prefix := range []string{"reserved", "unused", "available"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// youngerCalls returns what golang.org/x/sys knows above the highest common number of the table: what all of its architectures agree on.
func youngerCalls(table []call) ([]call, error) {
	highest := uint32(0)
	for _, c := range table {
		if c.number < 512 { // x32 has calls of its own from 512 on
			highest = max(highest, c.number)
		}
	}
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		return nil, fmt.Errorf("go list golang.org/x/sys: %w", err)
	}
	// Only tables whose numbers start at 0; mips and alpha shift them.
	var common []call
	for i, arch := range []string{"386", "amd64", "arm", "arm64", "loong64", "ppc64le", "riscv64", "s390x"} {
		calls, err := readConstants(filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+arch+".go"), highest)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			common = calls
		}
		common = slices.DeleteFunc(common, func(c call) bool { return !slices.Contains(calls, c) })
	}
	return common, nil
}

// readConstants reads the lines "SYS_NAME = number" with a number above after.
func readConstants(file string, after uint32) ([]call, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var calls []call
	for line := range strings.Lines(string(text)) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "SYS_")
		if !ok {
			continue
		}
		name, value, _ := strings.Cut(name, "=")
		n, err := strconv.ParseUint(strings.TrimSpace(value), 0, 32)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if uint32(n) > after && n < 0x1000 {
			calls = append(calls, call{uint32(n), strings.ToLower(strings.TrimSpace(name))})
		}
	}
	return calls, nil
}

func render(tables [][]call) []byte {
	var names []string
	for _, t := range tables {
		for _, c := range t {
			names = append(names, c.name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)

	var b bytes.Buffer
	b.WriteString("// Code generated by gen; DO NOT EDIT.\n\n//lint:file-ignore SA4016 number 140 of name 0 is as regular as the others\n\npackage syscalls\n\n")
	fmt.Fprintf(&b, "// NameCount is the number of names: every Name is below it.\nconst NameCount = %d\n\n", len(names))
	b.WriteString("// names is sorted.\nvar names = [NameCount]string{\n")
	for _, n := range names {
		fmt.Fprintf(&b, "%q,\n", n)
	}
	b.WriteString("}\n\n// starts holds where each table starts in tables, and at last where the last one ends.\n")
	at := 0
	fmt.Fprintf(&b, "var starts = [...]uint16{\n")
	for i, t := range tables {
		fmt.Fprintf(&b, "%s: %d,\n", sources[i].table, at)
		at += len(t)
	}
	fmt.Fprintf(&b, "%d,\n}\n\n", at)
	b.WriteString("// tables holds number<<nameBits|name for every table, one after the other, each sorted by number.\nvar tables = [...]Entry{\n")
	for i, t := range tables {
		fmt.Fprintf(&b, "// %s\n", sources[i].table)
		for _, c := range t {
			id, _ := slices.BinarySearch(names, c.name)
			fmt.Fprintf(&b, "%d<<nameBits | %d, // %s\n", c.number, id, c.name)
		}
	}
	b.WriteString("}\n")
	return b.Bytes()
}
