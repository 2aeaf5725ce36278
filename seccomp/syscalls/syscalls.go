package syscalls

import (
	"slices"
	"sort"
)

// X32Bit is set in every number of the x32 ABI, which shares the architecture token of x86_64. The numbers in table X32 are without it.
const X32Bit = 1 << 30

// ARMPrivate is the first of the numbers that only 32-bit ARM has (cacheflush, set_tls, ...), far above the ordinary ones.
const ARMPrivate = 0x0f0000

// Table is the system call table of one ABI. Architectures that differ in byte order only share one.
type Table uint8

// The tables, in the order of the generated data.
const (
	X86 Table = iota
	X86_64
	X32
	ARM
	ARM64
	MIPS
	MIPS64
	MIPS64N32
	PPC
	PPC64
	S390
	S390X
	PARISC
	PARISC64
	RISCV64
	LOONGARCH64
	M68K
	SH
)

// Name is a system call's name, as an index: the same one for every table.
type Name uint16

// String returns the name as a profile spells it.
func (n Name) String() string { return names[n] }

// Entry is one line of a table: a number and its name, packed so that a table is a third of the size of a struct with a string.
type Entry uint32

// nameBits leaves 20 bits for the number, enough for the private calls of ARM (0x0f0001 and up).
const nameBits = 12

// Number returns the call's number.
func (e Entry) Number() uint32 { return uint32(e >> nameBits) }

// Name returns the call's name.
func (e Entry) Name() Name { return Name(e & (1<<nameBits - 1)) }

// Entries returns the table in the order of numbers; two names of one number follow each other. It is shared: do not write to it.
func (t Table) Entries() []Entry { return tables[starts[t]:starts[t+1]] }

// Lookup finds a name. It is unknown (false) if no architecture has such a call.
func Lookup(name string) (Name, bool) {
	i, found := slices.BinarySearch(names[:], name)
	return Name(i), found
}

// LookupAfter is Lookup for names that come mostly in alphabetical order, as those in profiles do: it tries the neighbours of the name
// found before.
func LookupAfter(previous Name, name string) (Name, bool) {
	for i := int(previous) + 1; i < len(names) && i <= int(previous)+3; i++ {
		if names[i] == name {
			return Name(i), true
		}
	}
	return Lookup(name)
}

// Number finds the number of a call by its name.
func (t Table) Number(name string) (uint32, bool) {
	id, ok := Lookup(name)
	if !ok {
		return 0, false
	}
	for _, e := range t.Entries() {
		if e.Name() == id {
			return e.Number(), true
		}
	}
	return 0, false
}

// Name finds the (first) name of a number, or "".
func (t Table) Name(number uint32) string {
	entries := t.Entries()
	i := sort.Search(len(entries), func(i int) bool { return entries[i].Number() >= number })
	if i < len(entries) && entries[i].Number() == number {
		return entries[i].Name().String()
	}
	return ""
}
