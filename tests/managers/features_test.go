package managers

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"testing"

	. "tare/internal/testutil"
)

// featureSet is what the managers read of the features document.
type featureSet struct {
	Min          string   `json:"ociVersionMin"`
	Max          string   `json:"ociVersionMax"`
	MountOptions []string `json:"mountOptions"`
	Linux        *struct {
		Namespaces      []string
		MountExtensions *struct {
			IDMap *struct{ Enabled *bool } `json:"idmap"`
		}
	} `json:"linux"`
}

func (f *featureSet) idmap() bool {
	x := f.Linux.MountExtensions
	return x != nil && x.IDMap != nil && x.IDMap.Enabled != nil && *x.IDMap.Enabled
}

// features asks for the document as every manager does: one word, no global options, hardly an environment.
func features(t *testing.T, output func(*exec.Cmd) ([]byte, error)) *featureSet {
	t.Helper()
	if !HasCommand(t, "features") {
		t.Skip("this runtime has no features")
	}
	cmd := exec.Command(Runtime(), "features")
	cmd.Env, cmd.Dir = []string{}, "/"
	out, err := output(cmd)
	if err != nil {
		t.Fatalf("features: %v: %s", err, out)
	}
	var f featureSet
	if err := json.Unmarshal(out, &f); err != nil {
		t.Fatalf("features: %v in %s", err, out)
	}
	return &f
}

// containerd follows linux without asking whether it is there, and refuses idmapped mounts without this.
func TestContainerd_FeaturesOfUserNamespaces(t *testing.T) {
	t.Parallel()
	f := features(t, (*exec.Cmd).Output)
	if f.Linux == nil || !slices.Contains(f.Linux.Namespaces, "user") || !f.idmap() || !slices.Contains(f.MountOptions, "rro") {
		t.Errorf("%+v", f)
	}
}

// Docker from 29.5 on gives every container a time namespace, where the kernel has them.
func TestDocker_TimeNamespaceIsKnown(t *testing.T) {
	t.Parallel()
	if f := features(t, (*exec.Cmd).Output); !slices.Contains(f.Linux.Namespaces, "time") {
		t.Errorf("namespaces %v", f.Linux.Namespaces)
	}
	NeedNamespace(t, "time")
	m := newShim(t, Args("sleep"), WithNamespace("time", ""))
	m.Spec.Version = "1.3.0"
	m.WriteSpec(t)
	pid := m.running()
	if ns := namespace(t, pid, "time"); ns == namespace(t, os.Getpid(), "time") {
		t.Errorf("time namespace %s is the host's", ns)
	}
}

// The versions of the specification that managers of three years write.
func TestContainerd_SpecVersions(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.0.0", "1.0.2-dev", "1.1.0", "1.3.0"} {
		m := newShim(t, Args("exit", "3"))
		m.Spec.Version = version
		m.WriteSpec(t)
		if res := m.call("run", "--bundle", m.Dir, m.ID); res.Code != 3 || res.Stderr != "" {
			t.Errorf("%s: exit code %d: %s", version, res.Code, res.Stderr)
		}
	}
}
