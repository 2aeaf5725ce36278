package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

const smallest = `{"ociVersion":"1.3.0","root":{"path":"rootfs"},"linux":{"namespaces":[{"type":"mount"}]}}`

func TestLoad(t *testing.T) {
	b, err := loadText(t, []byte(smallest))
	if err != nil {
		t.Fatal(err)
	}
	if string(b.Raw) != smallest || b.Spec.Version != "1.3.0" || b.Rootfs != filepath.Join(b.Dir, "rootfs") {
		t.Errorf("got %+v", b)
	}
	if b.Spec.Root.Path != "rootfs" {
		t.Errorf("the spec is changed: root.path is %q", b.Spec.Root.Path)
	}
}

func TestLoadRelative(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.MkdirAll("b/rootfs", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("real.json", []byte(`{"ociVersion":"1.3.0","root":{"path":"`+dir+`/b/../b/link"},"linux":{"namespaces":[{"type":"mount"}]}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink("../real.json", "b/config.json"), os.Symlink("rootfs", "b/link")); err != nil {
		t.Fatal(err)
	}
	b, err := Load("b")
	if err != nil {
		t.Fatal(err)
	}
	if b.Dir != dir+"/b" || b.Rootfs != dir+"/b/link" {
		t.Errorf("got %s, %s", b.Dir, b.Rootfs)
	}
}

func TestLoadFileErrors(t *testing.T) {
	write := func(dir string) string { return filepath.Join(dir, configName) }
	for name, c := range map[string]struct {
		make func(dir string) error
		is   error
	}{
		"absent":    {func(string) error { return nil }, os.ErrNotExist},
		"no bundle": {os.Remove, os.ErrNotExist},
		"not a directory": {func(dir string) error {
			return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o644))
		}, unix.ENOTDIR},
		"fifo":      {func(dir string) error { return unix.Mkfifo(write(dir), 0o644) }, sys.ErrNotRegular},
		"directory": {func(dir string) error { return os.Mkdir(write(dir), 0o755) }, sys.ErrNotRegular},
		"too large": {func(dir string) error {
			return errors.Join(os.WriteFile(write(dir), nil, 0o644), os.Truncate(write(dir), configLimit+1))
		}, unix.EFBIG},
		"endless": {func(dir string) error { return os.Symlink("/dev/zero", write(dir)) }, sys.ErrNotRegular},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "b")
			if err := errors.Join(os.Mkdir(dir, 0o755), c.make(dir)); err != nil {
				t.Fatal(err)
			}
			_, err := Load(dir)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v, want %v", err, c.is)
			}
		})
	}
}

// TestLoadExactLimit has a config as large as is allowed.
func TestLoadExactLimit(t *testing.T) {
	text := smallest + strings.Repeat(" ", configLimit-len(smallest))
	if _, err := loadText(t, []byte(text)); err != nil {
		t.Error(err)
	}
}

func TestProblemsError(t *testing.T) {
	one := Problems{{"/process/cwd", `must be absolute, got "tmp"`}}
	two := append(one, Problem{"/root", "is required"})
	for want, got := range map[string]Problems{
		`config.json: /process/cwd: must be absolute, got "tmp"`:                                 one,
		`config.json: 2 mistakes: /process/cwd: must be absolute, got "tmp"; /root: is required`: two,
	} {
		if got.Error() != want {
			t.Errorf("got  %s\nwant %s", got.Error(), want)
		}
	}
	var many Problems
	for range 1000 {
		many = append(many, one...)
	}
	if text := many.Error(); len(text) > 2000 || !strings.HasSuffix(text, "; and 980 more") {
		t.Errorf("got %s", text)
	}
	if Problems(nil).Err() != nil {
		t.Error("no problem is an error")
	}
}

func TestTypeErrorPlaces(t *testing.T) {
	for text, want := range map[string]string{
		"{\n  \"ociVersion\": \"1.3.0\",\n  \"process\": {\n    \"user\": { \"uid\": \"x\" } } }": `config.json:4:22: process.user.uid (/process/user/uid): want a number, not a string`,
		`{"mounts": [{}, {"options": ["a", [1]]}]}`:                                               `config.json:1:35: mounts[1].options[1] (/mounts/1/options/1): want a string, not an array`,
		`{"mounts": [{}, [], {}]}`:                                                                `config.json:1:17: mounts[1] (/mounts/1): want an object, not an array`,
		`{"annotations": {"é/~": {"a": 1}}}`:                                                      `config.json:1:25: annotations.é/~ (/annotations/é~1~0): want a string, not an object`,
		`{"linux": {"resources": {"blockIO": {"weight": 65536}}}}`:                                `config.json:1:48: linux.resources.blockIO.weight (/linux/resources/blockIO/weight): want a whole number from 0 to 65535, got 65536`,
		`{"process": true}`:                                                                       `config.json:1:13: process (/process): want an object, not true or false`,
		`{"linux": {"uidMappings": [{"size": 1},{"size": -5}]}}`:                                  `config.json:1:49: linux.uidMappings[1].size (/linux/uidMappings/1/size): want a whole number from 0 to 4294967295, got -5`,
		`"x"`: `config.json:1:1: want an object, not a string`,
		`{"linux": {"seccomp": {"syscalls": [{"args": [{"value": 1e40}]}]}}}`: `config.json:1:57: linux.seccomp.syscalls[0].args[0].value (/linux/seccomp/syscalls/0/args/0/value): want a whole number from 0 to 18446744073709551615, got 1e40`,
	} {
		_, err := decode([]byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}
