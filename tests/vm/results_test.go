package main

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archive makes a results disk: a tar file with zeros behind it.
func archive(t *testing.T, files ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f[0], Typeflag: tar.TypeReg, Size: int64(len(f[1])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), make([]byte, 4096)...)
}

func TestReadResults(t *testing.T) {
	whole := archive(t, [2]string{"./.vm/exit", "42\n"}, [2]string{"./.vm/output", "said\n"}, [2]string{"./sub/file", "kept"})
	for _, tc := range []struct {
		name   string
		disk   []byte
		code   int
		output string
		err    string
	}{
		{"whole", whole, 42, "said\n", ""},
		{"blank disk", make([]byte, 8192), 0, "", "no exit code"},
		{"cut short", whole[:1200], 0, "", "read the results"},
		{"no code", archive(t, [2]string{"./.vm/output", "said\n"}), 0, "", "no exit code"},
		{"no number", archive(t, [2]string{"./.vm/exit", "\n"}), 0, "", "invalid syntax"},
		{"leaves the directory", archive(t, [2]string{"../escaped", "x"}, [2]string{"./.vm/exit", "0"}), 0, "", "escapes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files, err := os.OpenRoot(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer files.Close()
			r, err := readResults(bytes.NewReader(tc.disk), files)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.code != tc.code || string(r.output) != tc.output {
				t.Errorf("code %d, output %q, want %d and %q", r.code, r.output, tc.code, tc.output)
			}
			if kept, err := os.ReadFile(filepath.Join(files.Name(), "sub/file")); err != nil || string(kept) != "kept" {
				t.Errorf("sub/file holds %q (%v)", kept, err)
			}
		})
	}
}

func TestLiveOutput(t *testing.T) {
	for _, tc := range []struct {
		name   string
		pieces []string
		booted bool
		text   string
	}{
		{"at once", []string{"\x1dboot\nhello\n"}, true, "hello\n"},
		{"in pieces", []string{"noise\x1dbo", "ot\nhel", "lo\n"}, true, "hello\n"},
		{"marks", []string{"\x1dboot\n\x1dbegin a/b\n\x16=== RUN\n"}, true, "=== begin a/b\n=== RUN\n"},
		{"never", []string{"noise\n"}, false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var printed bytes.Buffer
			stops := 0
			l := &liveOutput{started: func() bool { stops++; return true }, copy: &printed}
			for _, p := range tc.pieces {
				if n, err := l.Write([]byte(p)); n != len(p) || err != nil {
					t.Fatalf("Write: %d, %v", n, err)
				}
			}
			if l.booted != tc.booted || printed.String() != tc.text || (stops == 1) != tc.booted {
				t.Errorf("booted %v, printed %q, watchdog stopped %d times", l.booted, printed.String(), stops)
			}
		})
	}
}
