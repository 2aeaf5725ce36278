package libcontainer

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestProcessChanges(t *testing.T) {
	caps := func(inheritable ...string) *specs.LinuxCapabilities {
		return &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"}, Effective: []string{"CAP_KILL"}, Permitted: []string{"CAP_KILL"}, Inheritable: inheritable}
	}
	base := func() *specs.Process {
		return &specs.Process{
			Terminal: true, Args: []string{"init"}, Cwd: "/srv", Env: []string{"A=1"}, Capabilities: caps("CAP_CHOWN"),
			User: specs.User{UID: 1, GID: 2, AdditionalGids: []uint32{3}}, NoNewPrivileges: true,
		}
	}
	of := base()
	uid, off := uint32(7), false
	p, err := (&ProcessChanges{
		Args: []string{"sh"}, Env: []string{"A=2"}, UID: &uid, AdditionalGIDs: []uint32{4}, Capabilities: []string{"CAP_CHOWN", "CAP_FOWNER"}, NoNewPrivileges: &off,
	}).apply(of)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(of, base()) {
		t.Errorf("the container's own process was changed: %+v", of)
	}
	if p.Terminal || p.Cwd != "/srv" || p.User.UID != 7 || p.User.GID != 2 || p.NoNewPrivileges {
		t.Errorf("%+v", p)
	}
	if !slices.Equal(p.Env, []string{"A=1", "A=2"}) || !slices.Equal(p.User.AdditionalGids, []uint32{3, 4}) {
		t.Errorf("%+v", p)
	}
	all := []string{"CAP_KILL", "CAP_CHOWN", "CAP_FOWNER"}
	want := &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all, Inheritable: []string{"CAP_CHOWN"}, Ambient: []string{"CAP_CHOWN"}}
	if !reflect.DeepEqual(p.Capabilities, want) {
		t.Errorf("capabilities %+v, want %+v", p.Capabilities, want)
	}

	// runc crashes with none to add to.
	p, err = (&ProcessChanges{Args: []string{"sh"}, Capabilities: []string{"CAP_KILL"}}).apply(nil)
	if err != nil || p.Cwd != "/" || !reflect.DeepEqual(p.Capabilities, &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"}, Effective: []string{"CAP_KILL"}, Permitted: []string{"CAP_KILL"}}) {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := (&ProcessChanges{}).apply(base()); !errors.Is(err, errNoArgs) {
		t.Errorf("no arguments: %v", err)
	}
}
