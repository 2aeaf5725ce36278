package bundle

import (
	"os"
	"path/filepath"
	"testing"
)

// A create takes what Docker, Podman, Buildah and containerd write.
func TestManagers(t *testing.T) {
	files, err := filepath.Glob("../../tests/bundles/managers/*.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d configs: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		spec, err := decode(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if err := Validate(spec).Err(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if w := Warnings(spec); len(w) > 0 {
			t.Errorf("%s: %q", file, w)
		}
	}
}
