package smallest

import (
	"os/exec"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "true")
	ok, err := Write(path)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Skip("no machine code for this architecture")
	}
	if out, err := exec.Command(path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
