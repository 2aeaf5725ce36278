package check

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// entry is a file to put into a root file system: a link if its content begins with "-> ", a directory if its path ends with a slash.
type entry struct {
	path, content string
	mode          os.FileMode // 0: 0755
}

// program makes the least of an ELF file that the kernel would look at.
func program(machine uint16, wide bool, interp string) string {
	var b bytes.Buffer
	ident := []byte{0x7f, 'E', 'L', 'F', 1, 1, 1, 0}
	if wide {
		ident[4] = 2
	}
	b.Write(append(ident, make([]byte, 8)...))
	put := func(values ...any) {
		for _, v := range values {
			if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
				panic(err)
			}
		}
	}
	kind, length := uint32(1), uint64(0)
	if interp != "" {
		kind, length = segmentInterp, uint64(len(interp)+1)
	}
	put(uint16(elfDyn), machine, uint32(1))
	if wide {
		put(uint64(0), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0))
		put(kind, uint32(4), uint64(120), uint64(0), uint64(0), length, length, uint64(1))
	} else {
		put(uint32(0), uint32(52), uint32(0), uint32(0), uint16(52), uint16(32), uint16(1), uint16(0), uint16(0), uint16(0))
		put(kind, uint32(84), uint32(0), uint32(0), uint32(length), uint32(length), uint32(4), uint32(1))
	}
	b.WriteString(interp + "\x00")
	return b.String()
}

// native is a static program for this machine.
func native() string { return nativeWith("") }

func nativeWith(interp string) string {
	for _, m := range machines() {
		if m.name == runtime.GOARCH && !m.big {
			return program(m.number, m.wide, interp)
		}
	}
	panic("no ELF files are made for " + runtime.GOARCH)
}

// foreignMachine is an architecture that no kernel of this machine executes: SPARC.
const foreignMachine = 43

// base is a config without fault, for a root file system with /bin/prog.
func base() *specs.Spec {
	return &specs.Spec{
		Version: "1.3.0",
		Root:    &specs.Root{Path: "rootfs"},
		Process: &specs.Process{
			Cwd: "/", Args: []string{"prog"}, Env: []string{"PATH=/usr/bin:/bin"},
		},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}}},
	}
}

// newBundle makes a bundle of the base config, with /bin/prog and more files.
func newBundle(t testing.TB, edit func(*specs.Spec), files ...entry) string {
	t.Helper()
	spec := base()
	if edit != nil {
		edit(spec)
	}
	text, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return newTextBundle(t, string(text), append([]entry{{"bin/prog", native(), 0}}, files...)...)
}

func newTextBundle(t testing.TB, config string, files ...entry) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	files = append([]entry{{"rootfs/", "", 0}, {"config.json", config, 0o644}}, inRootfs(files)...)
	for _, f := range files {
		name := filepath.Join(dir, f.path)
		mode := f.mode
		if mode == 0 {
			mode = 0o755
		}
		var err error
		switch target, link := strings.CutPrefix(f.content, "-> "); {
		case strings.HasSuffix(f.path, "/"):
			err = os.MkdirAll(name, 0o755)
		case link:
			err = errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.Symlink(target, name))
			mode = 0
		default:
			err = os.MkdirAll(filepath.Dir(name), 0o755)
			if err == nil {
				err = os.WriteFile(name, []byte(f.content), 0o600)
			}
		}
		if err == nil && mode != 0 {
			err = os.Chmod(name, mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// inRootfs puts files into the root file system, or beside it with "../" in front.
func inRootfs(files []entry) []entry {
	for i := range files {
		slash := strings.HasSuffix(files[i].path, "/")
		files[i].path = filepath.Join("rootfs", files[i].path)
		if slash {
			files[i].path += "/"
		}
	}
	return files
}

// look checks a bundle.
func look(t testing.TB, path string, o Options) *Report {
	t.Helper()
	r, err := Path(path, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		if f.ID == "" || f.Message == "" || f.Why == "" || f.Line < 1 || f.Column < 1 || f.Severity == "" {
			t.Errorf("not complete: %+v", f)
		}
		if strings.ContainsAny(f.Message+f.Why+f.Mend+f.Pointer, "\n\x00") {
			t.Errorf("not one line: %+v", f)
		}
	}
	return r
}
