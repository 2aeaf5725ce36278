package libcontainer

import (
	"os/exec"
	"testing"

	"tare/internal/sys"
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
	r := &restoration{first: cmd.Process.Pid}
	for range 2 { // it is nobody's child the second time
		if err := r.abandon(); err != nil {
			t.Error(err)
		}
		if sys.IsChild(cmd.Process.Pid) {
			t.Fatal("it is there")
		}
	}
	if err := new(restoration).abandon(); err != nil {
		t.Errorf("before there is one: %v", err)
	}
}
