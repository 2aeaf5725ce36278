package libcontainer

import (
	"os/exec"
	"testing"

	"tare/internal/sys"
	"tare/libcontainer/bundle"
	"tare/libcontainer/launch"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Of CRIU's death the process that it has forked for us does not hear.
func TestRestoration_Abandon(t *testing.T) {
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	init, err := launch.Restored(cmd.Process.Pid, true)
	if err != nil {
		t.Fatal(err)
	}
	r := &restoration{creation: creation{init: init}}
	if err := r.abandon(); err != nil {
		t.Error(err)
	}
	if sys.IsChild(cmd.Process.Pid) {
		t.Error("it is there")
	}
	if err := new(restoration).abandon(); err != nil {
		t.Errorf("before there is one: %v", err)
	}
}

// A config without a process is one to restore, too: its processes come from the images.
func TestRestoration_WithoutProcess(t *testing.T) {
	r := &restoration{creation: creation{bundle: &bundle.Bundle{Spec: &specs.Spec{}}}}
	if err := r.checkPrivileges(); err != nil {
		t.Error(err)
	}
	if r.wantsTerminal() {
		t.Error("it wants a terminal")
	}
}
