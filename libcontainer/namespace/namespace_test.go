package namespace

import (
	"os"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// The kernel itself says which type the file of each kind is of.
func TestKinds(t *testing.T) {
	for _, k := range Kinds {
		f, err := os.Open("/proc/self/ns/" + k.File)
		if os.IsNotExist(err) {
			t.Logf("this kernel has no %s namespaces", k.Type)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		flag, err := sys.NamespaceType(f)
		f.Close()
		if err != nil || flag != k.Flag {
			t.Errorf("%s: /proc/self/ns/%s has the flag %#x, %v; want %#x", k.Type, k.File, flag, err, k.Flag)
		}
		if KindOf(k.Type) != k || TypeOf(k.Flag) != k.Type {
			t.Errorf("%s is not found again", k.Type)
		}
	}
	if k := KindOf("disk"); k != (Kind{}) {
		t.Errorf("a type that there is not: %v", k)
	}
	if got := TypeOf(unix.CLONE_FS); got != "unknown" {
		t.Errorf("a flag of no namespace is one of type %s", got)
	}
}

func TestConfig(t *testing.T) {
	l := &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.NetworkNamespace, Path: "/run/netns/a"}}}
	for _, tt := range []struct {
		kind       specs.LinuxNamespaceType
		has, makes bool
		joined     string
	}{
		{specs.PIDNamespace, true, true, ""},
		{specs.NetworkNamespace, true, false, "/run/netns/a"},
		{specs.UserNamespace, false, false, ""},
	} {
		if has, makes, joined := Has(l, tt.kind), Makes(l, tt.kind), Joined(l, tt.kind); has != tt.has || makes != tt.makes || joined != tt.joined {
			t.Errorf("%s: %v, %v, %q; want %v, %v, %q", tt.kind, has, makes, joined, tt.has, tt.makes, tt.joined)
		}
	}
	if Has(nil, specs.PIDNamespace) || Makes(nil, specs.PIDNamespace) || Joined(nil, specs.PIDNamespace) != "" {
		t.Error("a config without linux has namespaces")
	}
}
