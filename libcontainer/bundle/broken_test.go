package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const brokenDir = "../../tests/bundles/broken"

// expectation is what the error about a broken config must say.
type expectation struct{ pointer, text string }

// expectations reads expect.txt: file, JSON pointer and a part of the message, with tabs between them. Several lines about a
// file must all come true.
func expectations(t *testing.T) map[string][]expectation {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(brokenDir, "expect.txt"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]expectation{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 3 {
			t.Fatalf("expect.txt: want 3 fields: %q", line)
		}
		all[fields[0]] = append(all[fields[0]], expectation{fields[1], fields[2]})
	}
	return all
}

// loadFile loads a bundle with the given config and an empty root file system.
func loadFile(t *testing.T, config string) (*Bundle, error) {
	t.Helper()
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	return loadText(t, text)
}

func loadText(t *testing.T, text []byte) (*Bundle, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, configName), text, 0o644); err != nil {
		t.Fatal(err)
	}
	return Load(dir)
}

func TestBroken(t *testing.T) {
	expected := expectations(t)
	files, err := filepath.Glob(filepath.Join(brokenDir, "*.json"))
	if err != nil || len(files) < 60 {
		t.Fatalf("%d broken configs: %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".json"), func(t *testing.T) {
			if len(expected[name]) == 0 {
				t.Fatalf("expect.txt says nothing about %s", name)
			}
			_, err := loadFile(t, file)
			if err == nil {
				t.Fatal("accepted")
			}
			if strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("not one line: %q", err)
			}
			for _, want := range expected[name] {
				if !tells(err, want) {
					t.Errorf("error does not have %q at %q:\n%v", want.text, want.pointer, err)
				}
			}
			for _, surplus := range unexpected(err, expected[name]) {
				t.Errorf("beside what is expected: %v", surplus)
			}
		})
		delete(expected, name)
	}
	for name := range expected {
		t.Errorf("expect.txt: no file %s", name)
	}
}

// tells looks for the text at the very pointer; without a pointer, anywhere.
func tells(err error, want expectation) bool {
	if !strings.Contains(err.Error(), want.pointer) || !strings.Contains(err.Error(), want.text) {
		return false
	}
	var problems Problems
	var decode *DecodeError
	switch {
	case errors.As(err, &problems) && want.pointer != "":
		for _, p := range problems {
			if p.Pointer == want.pointer && strings.Contains(p.Message, want.text) {
				return true
			}
		}
		return false
	case errors.As(err, &decode) && want.pointer != "":
		return decode.Pointer == want.pointer
	default:
		return want.pointer == ""
	}
}

// unexpected are the problems at pointers that nobody expects.
func unexpected(err error, expected []expectation) (surplus []Problem) {
	var problems Problems
	if !errors.As(err, &problems) {
		return nil
	}
next:
	for _, p := range problems {
		for _, want := range expected {
			if want.pointer == p.Pointer {
				continue next
			}
		}
		surplus = append(surplus, p)
	}
	return surplus
}
