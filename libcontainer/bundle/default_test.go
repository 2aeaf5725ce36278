package bundle

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/namespace"
)

func TestWriteDefault(t *testing.T) {
	for name, o := range map[string]DefaultOptions{
		"root":      {},
		"cgroup v2": {CgroupNamespace: true},
		"rootless":  {Rootless: true, UID: 1000, GID: 100},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := WriteDefault(dir, o); err != nil {
				t.Fatal(err)
			}
			b, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if text := string(b.Raw); !strings.HasPrefix(text, "{\n\t\"ociVersion\": \"1.3.0\",\n\t\"process\"") || strings.HasSuffix(text, "\n") {
				t.Errorf("got %q", text)
			}
			if !reflect.DeepEqual(b.Spec, Default(o)) {
				t.Error("what is read is not what was written")
			}
			if w := Warnings(b.Spec); len(w) > 0 {
				t.Errorf("warnings: %q", w)
			}
			if err := WriteDefault(dir, o); !errors.Is(err, ErrConfigExists) || err.Error() != "File config.json exists. Remove it first" {
				t.Errorf("second time: %v", err)
			}
		})
	}
}

// TestDefaultRootless wants nothing that an unprivileged user cannot have.
func TestDefaultRootless(t *testing.T) {
	spec := Default(DefaultOptions{Rootless: true, UID: 1000, GID: 100})
	if !namespace.Makes(spec.Linux, specs.CgroupNamespace) {
		t.Error("no cgroup namespace: the cgroup mount is refused where the container has no cgroup")
	}
	if namespace.Has(spec.Linux, specs.NetworkNamespace) || !namespace.Makes(spec.Linux, specs.UserNamespace) || spec.Linux.Resources != nil {
		t.Errorf("got %+v", spec.Linux)
	}
	if u, g := spec.Linux.UIDMappings, spec.Linux.GIDMappings; len(u) != 1 || len(g) != 1 || u[0].HostID != 1000 || g[0].HostID != 100 {
		t.Errorf("mappings %v %v", u, g)
	}
	if text, _ := json.Marshal(spec); strings.Contains(string(text), "gid=5") || strings.Contains(string(text), `"type":"sysfs"`) {
		t.Errorf("got %s", text)
	}
}
