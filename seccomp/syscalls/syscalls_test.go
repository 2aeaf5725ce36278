package syscalls

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var tableNames = [...]string{
	"X86", "X86_64", "X32", "ARM", "ARM64", "MIPS", "MIPS64", "MIPS64N32", "PPC", "PPC64", "S390", "S390X",
	"PARISC", "PARISC64", "RISCV64", "LOONGARCH64", "M68K", "SH",
}

func TestTablesAreSorted(t *testing.T) {
	if !slices.IsSorted(names[:]) {
		t.Error("names are not sorted")
	}
	if len(starts) != len(tableNames)+1 {
		t.Fatalf("%d tables, want %d", len(starts)-1, len(tableNames))
	}
	for i, name := range tableNames {
		entries := Table(i).Entries()
		if len(entries) < 300 {
			t.Errorf("%s: %d entries only", name, len(entries))
		}
		if !slices.IsSortedFunc(entries, func(a, b Entry) int { return int(a.Number()) - int(b.Number()) }) {
			t.Errorf("%s is not sorted by number", name)
		}
	}
}

func TestKnownNumbers(t *testing.T) {
	for _, c := range []struct {
		table  Table
		name   string
		number uint32
	}{
		{X86, "socketcall", 102},
		{X86, "socket", 359},
		{X86_64, "uprobe", 336},
		{X86_64, "openat2", 437},
		{X86_64, "listns", 470},
		{X32, "execve", 520},
		{X32, "read", 0},
		{ARM, "set_tls", 0x0f0005},
		{ARM, "sync_file_range2", 341},
		{ARM, "arm_sync_file_range", 341},
		{ARM64, "openat", 56},
		{MIPS, "read", 4003},
		{MIPS64, "read", 5000},
		{MIPS64N32, "read", 6000},
		{MIPS64, "mseal", 5462},
		{PPC64, "swapcontext", 249},
		{S390, "setuid", 23},
		{S390X, "setuid", 213},
		{PARISC, "socket", 17},
		{RISCV64, "riscv_hwprobe", 258},
		{LOONGARCH64, "clone3", 435},
		{M68K, "getpagesize", 166},
		{SH, "socketcall", 102},
	} {
		got, ok := c.table.Number(c.name)
		if !ok || got != c.number {
			t.Errorf("%s in %s is %d (%v), want %d", c.name, tableNames[c.table], got, ok, c.number)
		}
	}
	if n, ok := ARM64.Number("open"); ok {
		t.Errorf("open in ARM64 is %d, want none", n)
	}
	if got := ARM.Name(0x0f0002); got != "cacheflush" {
		t.Errorf("private number 2 of ARM is %q", got)
	}
	if got := X86_64.Name(400); got != "" {
		t.Errorf("number 400 of X86_64 is %q, want none", got)
	}
}

func TestLookup(t *testing.T) {
	previous := Name(0)
	for i, name := range names {
		if got, ok := Lookup(name); !ok || int(got) != i || got.String() != name {
			t.Errorf("Lookup(%q) = %d, %v", name, got, ok)
		}
		got, ok := LookupAfter(previous, name)
		if !ok || int(got) != i {
			t.Errorf("LookupAfter(%q) = %d, %v", name, got, ok)
		}
		previous = got
	}
	for _, name := range []string{"", "aaa", "zzz", "openat3", "OPEN"} {
		if _, ok := Lookup(name); ok {
			t.Errorf("Lookup(%q) found something", name)
		}
	}
}

// TestTablesAgreeWithGolang compares with golang.org/x/sys, which is made from the compiled headers rather than from syscall.tbl.
func TestTablesAgreeWithGolang(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Skipf("the source of golang.org/x/sys is not at hand: go list: %v", err)
	}
	for arch, table := range map[string]Table{
		"386": X86, "amd64": X86_64, "arm": ARM, "arm64": ARM64, "loong64": LOONGARCH64, "mips": MIPS, "mips64": MIPS64,
		"ppc": PPC, "ppc64": PPC64, "ppc64le": PPC64, "riscv64": RISCV64, "s390x": S390X,
	} {
		t.Run(arch, func(t *testing.T) {
			theirs := golangNumbers(t, filepath.Join(strings.TrimSpace(string(out)), "unix", "zsysnum_linux_"+arch+".go"))
			for name, number := range theirs {
				if noCall(name) {
					continue
				}
				if ours, ok := table.Number(name); !ok || ours != number {
					t.Errorf("%s is %d (%v), x/sys has %d", name, ours, ok, number)
				}
			}
			for _, e := range table.Entries() {
				if _, ok := theirs[e.Name().String()]; !ok && !slices.Contains(onlyOurs, e.Name().String()) {
					t.Errorf("%s (%d) is unknown to x/sys", e.Name(), e.Number())
				}
			}
		})
	}
}

// onlyOurs are the private calls of ARM and an alias, which x/sys leaves out.
var onlyOurs = []string{"sync_file_range2", "breakpoint", "cacheflush", "usr26", "usr32", "set_tls", "get_tls"}

// noCall tells constants of x/sys that name no system call.
func noCall(name string) bool {
	return strings.HasPrefix(name, "unused") || strings.HasPrefix(name, "reserved") || name == "arch_specific_syscall" || name == "syscall_mask"
}

func golangNumbers(t *testing.T, file string) map[string]uint32 {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	numbers := map[string]uint32{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, found := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		name, isCall := strings.CutPrefix(strings.TrimSpace(name), "SYS_")
		if !found || !isCall {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(value), 0, 32)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		numbers[strings.ToLower(name)] = uint32(n)
	}
	return numbers
}
