package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tare/libcontainer"
)

func TestSetRecord(t *testing.T) {
	t.Chdir(t.TempDir())
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"": "", "/d/p.json": "/d/p.json", "p.json": filepath.Join(wd, "p.json")} {
		var ro libcontainer.RunOptions
		if err := setRecord(&ro, path); err != nil || ro.RecordSeccomp != want {
			t.Errorf("%q: %q, %v; want %q", path, ro.RecordSeccomp, err, want)
		}
	}
	detached := libcontainer.RunOptions{Detach: true}
	if err := setRecord(&detached, ""); err != nil {
		t.Error(err)
	}
	if err := setRecord(&detached, "p.json"); err == nil || !strings.Contains(err.Error(), "--detach") {
		t.Errorf("with --detach: %v", err)
	}
}
