package managers

import (
	"os"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// The root of each of containerd's namespaces is one of its own, made with what is above it, and for nobody else to read.
func TestContainerd_RootIsMadeOnDemand(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	base := m.Root
	m.Root = filepath.Join(base, "containerd", "runc", "k8s.io")
	m.globals[1] = m.Root
	m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	for dir := m.Root; dir != filepath.Dir(base); dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&0o066 != 0 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(m.Root); err != nil || len(entries) != 1 || entries[0].Name() != m.ID {
		t.Errorf("the root has %v, %v", entries, err)
	}
}

// Containers of two namespaces may have one id.
func TestContainerd_OneIDInTwoNamespaces(t *testing.T) {
	t.Parallel()
	first, second := newShim(t, Args("sleep")), newShim(t, Args("sleep"))
	own := second.ID
	second.ID = first.ID // its cgroup is named for its own id still
	t.Cleanup(func() { second.Tare("delete", "--force", second.ID); second.ID = own })
	a, b := first.running(), second.running()
	if a == b || first.State().Pid != a || second.State().Pid != b {
		t.Errorf("pids %d and %d, states %+v and %+v", a, b, first.State(), second.State())
	}
	second.silent("delete", "--force", second.ID)
	second.Wait(b)
	if s := first.State(); s.Status != specs.StateRunning {
		t.Errorf("the first is %s", s.Status)
	}
}
