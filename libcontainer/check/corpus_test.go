package check

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tare/libcontainer/bundle"
)

const bundles = "../../tests/bundles"

// Each config with a mistake is told of at the very place that expect.txt says, as an error; and nothing else is found in the config.
func TestBroken(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(bundles, "broken/expect.txt"))
	if err != nil {
		t.Fatal(err)
	}
	type expectation struct{ pointer, text string }
	expected := map[string][]expectation{}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		expected[f[0]] = append(expected[f[0]], expectation{f[1], f[2]})
	}
	if len(expected) < 150 {
		t.Fatalf("%d broken configs", len(expected))
	}
	for file, wanted := range expected {
		config, err := os.ReadFile(filepath.Join(bundles, "broken", file))
		if err != nil {
			t.Fatal(err)
		}
		r := look(t, newTextBundle(t, string(config), entry{"bin/prog", native(), 0}), Options{})
		for _, want := range wanted {
			if !slices.ContainsFunc(r.Findings, func(f Finding) bool {
				whole := fmt.Sprintf(":%d:%d: %s", f.Line, f.Column, f.Message)
				return f.Severity == Error && f.Pointer == want.pointer && strings.Contains(whole, want.text)
			}) && !strings.Contains(want.text, "mistakes") {
				t.Errorf("%s: no error with %q at %q:\n%+v", file, want.text, want.pointer, r.Findings)
			}
		}
		for _, f := range r.Findings {
			if f.Severity == Error && ofConfig(f.ID) && f.ID != "not-supported-yet" && !strings.HasPrefix(file, "syntax-") &&
				!slices.ContainsFunc(wanted, func(w expectation) bool { return w.pointer == f.Pointer }) {
				t.Errorf("%s: beside what is expected: %+v", file, f)
			}
		}
	}
}

// ofConfig says whether the check is one that a create has too.
func ofConfig(id string) bool {
	return id == "type" || slices.ContainsFunc(bundle.CheckNames(), func(check string) bool { return name(check) == id })
}

// Nothing is found in what is without fault. What some files have on purpose is a warning.
func TestValid(t *testing.T) {
	onPurpose := map[string][]string{
		"extremes.json": {"/mounts/0/destination"},
		"no-linux.json": {"/linux/namespaces"},
		"foreign.json": {
			"/process/commandLine", "/process/tomorrow", "/novelty", "/linux/novelty", "/linux/namespaces/0/novelty", "/linux/intelRdtX",
		},
	}
	files, err := filepath.Glob(filepath.Join(bundles, "valid/*.json"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		r := look(t, file, Options{ConfigOnly: true})
		var pointers []string
		for _, f := range r.Findings {
			pointers = append(pointers, f.Pointer)
			if f.Severity != Warning {
				t.Errorf("%s: %+v", file, f)
			}
		}
		if want := onPurpose[filepath.Base(file)]; !slices.Equal(pointers, want) {
			t.Errorf("%s: got %q, want %q", file, pointers, want)
		}
	}
}

// The config that spec writes is without fault, on this host and with a root file system that has a shell.
func TestValid_Spec(t *testing.T) {
	for _, rootless := range []bool{false, true} {
		o := bundle.DefaultOptions{Rootless: rootless, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), CgroupNamespace: true}
		text, err := json.MarshalIndent(bundle.Default(o), "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		dir := newTextBundle(t, string(text), entry{"bin/busybox", native(), 0}, entry{"bin/sh", "-> /bin/busybox", 0})
		if r := look(t, dir, Options{}); len(r.Findings) != 0 && (rootless || os.Geteuid() == 0) {
			t.Errorf("rootless %v: %+v", rootless, r.Findings)
		}
	}
}

// Nothing is found in what Docker, Podman and containerd write.
func TestManagers(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(bundles, "managers/*.json"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		if r := look(t, file, Options{ConfigOnly: true}); len(r.Findings) != 0 {
			t.Errorf("%s: %+v", file, r.Findings)
		}
	}
}
