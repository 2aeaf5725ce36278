package criu

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What a library for protocol buffers makes of the same message, in the order of the fields.
func TestMessage_Encoding(t *testing.T) {
	var sub message
	sub.text(1, "net")
	sub.number(2, 4)
	var m message
	m.number(1, 300)
	m.number(2, -1)
	m.flag(3, true)
	m.flag(4, false)
	m.text(5, "")
	m.text(37, "a")
	m.part(27, sub)
	want := "\x08\xac\x02" + "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + "\x18\x01" + "\xaa\x02\x01a" + "\xda\x01\x07\x0a\x03net\x10\x04"
	if string(m) != want {
		t.Errorf("got  %x\nwant %x", string(m), want)
	}
}

func TestFields(t *testing.T) {
	var m message
	m.number(1, 6)
	m.text(9, "words")
	m = append(m, 3<<3|wire64, 1, 2, 3, 4, 5, 6, 7, 8, 4<<3|wire32, 1, 2, 3, 4) // which CRIU has nowhere: skipped
	m.number(12, 7)
	var got []int
	err := fields(m, func(field int, n uint64, text []byte) error {
		got = append(got, field, int(n), len(text))
		return nil
	})
	if want := []int{1, 6, 0, 9, 0, 5, 3, 0, 0, 4, 0, 0, 12, 7, 0}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestFields_Malformed(t *testing.T) {
	for _, b := range []string{"\x08", "\x80", "\x4a\x05abc", "\x0b", "\x19\x01", "\x4a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		if err := fields([]byte(b), func(int, uint64, []byte) error { return nil }); !errors.Is(err, errMalformed) {
			t.Errorf("%x: %v", b, err)
		}
	}
}

func FuzzFields(f *testing.F) {
	f.Add([]byte("\x08\x06\x2a\x03\x0a\x01a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		_ = fields(b, func(_ int, _ uint64, text []byte) error { total += len(text); return nil })
		if total > len(b) {
			t.Errorf("%d bytes in a message of %d", total, len(b))
		}
	})
}

// The fields that a restore depends on, by their numbers in rpc.proto.
func TestOptions_Message(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	o := Options{
		Images: dir, Work: dir, Log: "restore.log", Root: "/root", Cgroups: CgroupsSoft, OrphanTerminal: true, EmptyNetwork: true,
		External: []string{"mnt[/a]:/b"}, CgroupRoots: []CgroupRoot{{Path: "/c"}}, Inherited: []Inherited{{Key: "network", File: dir}},
		PageServer: &PageServer{Address: "host", Port: 1234}, StatusFD: dir,
	}
	got := map[int]string{}
	err = fields(o.message(), func(field int, n uint64, text []byte) error {
		got[field] = string(text)
		if text == nil {
			got[field] = string(rune('0' + n%10))
		}
		return nil
	})
	want := map[int]string{
		10: "restore.log", 11: "\x0a\x04host\x10\xd2\x09", 13: "/root", 25: "\x12\x02/c", 26: "1", 27: "\x0a\x07network\x10\x04",
		34: "3", 37: "mnt[/a]:/b", 38: string(rune('0' + cloneNewNet%10)), 49: "5", 50: "1",
	}
	for field, value := range want {
		if got[field] != value {
			t.Errorf("field %d is %q, want %q", field, got[field], value)
		}
	}
	if err != nil || len(o.files()) != 2 {
		t.Errorf("%v; files %v", err, o.files())
	}
	o.PID = 7
	_ = fields(o.message(), func(field int, _ uint64, _ []byte) error {
		if field == 26 {
			t.Error("a dump is told of a child to be restored")
		}
		return nil
	})
}

func TestBecause(t *testing.T) {
	path := t.TempDir()
	log := strings.Join([]string{
		"(00.01) Warn  (criu/kerndat.c:1) no", "(00.02) Error (criu/mount.c:12): mnt: no root", "(00.03)      1: Error (criu/files.c:3): second",
		"(00.04) Error (criu/files.c:3): third", "",
	}, "\n")
	if err := os.WriteFile(filepath.Join(path, "dump.log"), []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	want := "criu failed: second: mnt: no root (see " + path + "/dump.log)"
	if got := because(errors.New("criu failed: second"), dir, "dump.log").Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := because(errors.New("criu failed"), dir, "none.log").Error(); got != "criu failed" {
		t.Errorf("without a log: %q", got)
	}
}
