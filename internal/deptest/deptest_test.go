package deptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"testing"
)

// layers gives each package of the program its layer. A package imports packages of lower layers, and its own
// sub-packages; never sideways, but for sisters below cgroups and seccomp. docs/architecture.md says what lives where.
var layers = map[string]int{
	"internal/document": 0, "internal/logx": 0, "internal/step": 0, "internal/sys": 0, "internal/wire": 0,
	"internal/dbus": 1, "internal/netlink": 1, "internal/procfs": 1, "internal/fsroot": 1,
	"cgroups": 2, "cgroups/devbpf": 2, "cgroups/stats": 2, "cgroups/systemd": 2, "cgroups/v1": 2, "cgroups/v2": 2,
	"libcontainer/attr": 2, "libcontainer/lsm": 2,
	"libcontainer/console": 2, "libcontainer/creds": 2, "libcontainer/criu": 2, "libcontainer/hooks": 2, "libcontainer/keyring": 2, "libcontainer/mountopt": 2,
	"libcontainer/namespace": 2, "libcontainer/netdev": 2, "libcontainer/resctrl": 2,
	"nsenter": 2,
	"seccomp": 2, "seccomp/bpf": 2, "seccomp/syscalls": 2,
	"libcontainer/bundle": 3, "libcontainer/proto": 3, "libcontainer/rootfs": 3, "libcontainer/state": 3,
	"libcontainer/check": 4, "libcontainer/initproc": 4, "libcontainer/launch": 4,
	"libcontainer": 5, "libcontainer/features": 5,
	"internal/cli": 6,
	"":             7,
}

// forbidden are imports that a package must not have, directly or through others.
var forbidden = map[string][]string{
	"libcontainer/initproc": {"tare/cgroups", "github.com/urfave/cli/v3"},
	"nsenter":               {"tare/libcontainer", "tare/cgroups", "tare/seccomp"},
	"cgroups":               {"tare/libcontainer", "tare/nsenter", "tare/seccomp", "net"},
	"seccomp":               {"tare/libcontainer", "tare/nsenter", "tare/cgroups"},
	"":                      {"regexp", "net/http", "text/template", "C", "runtime/cgo"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-tags", "urfave_cli_no_template", "-json=ImportPath,Imports,Deps", "tare")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func own(importPath string) (name string, ok bool) {
	if importPath == "tare" {
		return "", true
	}
	return strings.CutPrefix(importPath, "tare/")
}

func TestLayers(t *testing.T) {
	for _, p := range list(t) {
		name, ok := own(p.ImportPath)
		if !ok {
			continue
		}
		layer, known := layers[name]
		if !known {
			t.Errorf("package %s has no layer: give it one, here and in docs/architecture.md", p.ImportPath)
		}
		for _, i := range p.Imports {
			dep, ok := own(i)
			if !ok || layers[dep] < layer || strings.HasPrefix(dep, name+"/") || (layers[dep] == layer && sibling(name, dep)) {
				continue
			}
			t.Errorf("package %s of layer %d imports %s of layer %d", p.ImportPath, layer, i, layers[dep])
		}
	}
}

// sibling allows what two sub-packages of one library need of each other: seccomp/bpf and seccomp/syscalls.
func sibling(name, dep string) bool {
	switch path.Dir(name) {
	case "cgroups", "seccomp":
		return path.Dir(name) == path.Dir(dep)
	}
	return false
}

func TestForbiddenImports(t *testing.T) {
	for _, p := range list(t) {
		name, ok := own(p.ImportPath)
		if !ok {
			continue
		}
		for _, bad := range forbidden[name] {
			for _, d := range p.Deps {
				if d == bad || strings.HasPrefix(d, bad+"/") {
					t.Errorf("package %s depends on %s", p.ImportPath, d)
				}
			}
		}
	}
}

// The table of docs/architecture.md has the same packages in the same layers.
func TestTableOfTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	left := maps.Clone(layers)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		layer, err := strconv.Atoi(strings.TrimSpace(cells[1]))
		if err != nil {
			continue
		}
		for _, name := range packagesOf(cells[2]) {
			if want, ok := left[name]; !ok || want != layer {
				t.Errorf("docs/architecture.md has %q in layer %d", name, layer)
			}
			delete(left, name)
		}
	}
	for name := range left {
		t.Errorf("docs/architecture.md has no row for %q", name)
	}
}

// packagesOf reads a cell: what follows `libcontainer/creds` without a path is below libcontainer too.
func packagesOf(cell string) (all []string) {
	parent := ""
	for i, name := range strings.Split(cell, "`") {
		if i%2 == 0 {
			continue
		}
		if name == "main.go" {
			name = ""
		} else if strings.Contains(name, "/") {
			parent = path.Dir(name)
		} else if parent != "" {
			name = path.Join(parent, name)
		}
		all = append(all, name)
	}
	return all
}
