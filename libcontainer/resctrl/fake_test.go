package resctrl

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// This file is also compiled into a binary of the integration tests, by an overlay of the build: nothing of it is in tare.

// fake does in a directory what the kernel does in resctrl. Its log tells what was written where.
type fake struct{ root string }

func (f fake) path() string { return f.root }
func (f fake) close()       {}

// fakeClasses is how many there can be beside the default one.
const fakeClasses = 3

const fakeSchemata = "    L3:0=fff;1=fff\n    MB:0=100;1=100\n"

// newFake makes the root of one in an empty directory.
func newFake(root string) (fake, error) {
	f := fake{root}
	for name, text := range map[string]string{
		"log": "", "info/last_cmd_status": "ok\n", "info/MB/bandwidth_gran": "10\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			return f, err
		}
		if err := f.put(name, text); err != nil {
			return f, err
		}
	}
	return f, f.populate(".", true)
}

// populate puts into a directory what the kernel does.
func (f fake) populate(dir string, class bool) error {
	files := map[string]string{"tasks": ""}
	if class {
		files["schemata"] = fakeSchemata
		if err := os.Mkdir(filepath.Join(f.root, dir, "mon_groups"), 0o755); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := f.put(path.Join(dir, name), text); err != nil {
			return err
		}
	}
	return nil
}

func (f fake) put(file, text string) error {
	return os.WriteFile(filepath.Join(f.root, file), []byte(text), 0o644)
}

func (f fake) log(format string, args ...any) {
	old, _ := f.read("log")
	_ = f.put("log", string(old)+fmt.Sprintf(format, args...)+"\n")
}

func (f fake) mkdir(dir string) error {
	class := path.Base(path.Dir(dir)) != "mon_groups"
	if class {
		if all, _ := filepath.Glob(filepath.Join(f.root, "*", "schemata")); len(all) >= fakeClasses {
			return &os.PathError{Op: "mkdir", Path: dir, Err: unix.ENOSPC}
		}
	}
	if err := os.Mkdir(filepath.Join(f.root, dir), 0o755); err != nil {
		return err
	}
	f.log("mkdir %s", dir)
	return f.populate(dir, class)
}

func (f fake) rmdir(dir string) error {
	if _, err := os.Stat(filepath.Join(f.root, dir, "tasks")); err != nil {
		return err
	}
	f.log("rmdir %s", dir)
	return os.RemoveAll(filepath.Join(f.root, dir))
}

func (f fake) read(file string) ([]byte, error) { return os.ReadFile(filepath.Join(f.root, file)) }

func (f fake) write(file, text string) error {
	old, err := f.read(file)
	if err != nil {
		return err
	}
	f.log("write %s %q", file, text)
	switch path.Base(file) {
	case "tasks":
		return f.put(file, string(old)+text+"\n")
	case "schemata":
		return f.writeSchemata(file, string(old), text)
	}
	return fmt.Errorf("write to %s", file)
}

// writeSchemata takes lines as the kernel does: all of them or none, with a newline behind, known resources and domains, and each
// domain once.
func (f fake) writeSchemata(file, old, text string) error {
	refuse := func(why string) error {
		_ = f.put("info/last_cmd_status", why+"\n")
		return &os.PathError{Op: "write", Path: file, Err: unix.EINVAL}
	}
	text, ended := strings.CutSuffix(text, "\n")
	if !ended {
		return refuse("no newline")
	}
	has := settings(strings.Split(strings.TrimSpace(old), "\n"))
	var seen []string
	for line := range strings.SplitSeq(text, "\n") {
		resource, rest, _ := strings.Cut(line, ":")
		for part := range strings.SplitSeq(rest, ";") {
			domain, value, _ := strings.Cut(part, "=")
			i := slices.IndexFunc(has, func(s setting) bool { return s.resource == resource && s.domain == domain })
			switch key := resource + domain; {
			case i < 0:
				return refuse("Unknown resource name '" + resource + "' or domain " + domain)
			case slices.Contains(seen, key):
				return refuse("Duplicate domain " + domain)
			default:
				seen = append(seen, key)
				has[i].value = value
			}
		}
	}
	var b strings.Builder
	for _, s := range has {
		fmt.Fprintf(&b, "    %s:%s=%s\n", s.resource, s.domain, s.value)
	}
	_ = f.put("info/last_cmd_status", "ok\n")
	return f.put(file, b.String())
}

// init has such a binary find a fake tree where the test that runs it wants one.
func init() {
	if root := os.Getenv("TARE_TEST_RESCTRL"); root != "" {
		find = func() (fileSystem, error) {
			f := fake{root}
			if _, err := f.read("schemata"); err != nil {
				return newFake(root)
			}
			return f, nil
		}
	}
}
