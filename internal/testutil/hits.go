package testutil

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tare/internal/testutil/view"
)

// Hits reads what an attacker of the probe's has printed up to its end by a signal.
func Hits(t testing.TB, text string) []view.Hit {
	t.Helper()
	var all []view.Hit
	for line := range strings.Lines(text) {
		var h view.Hit
		if !strings.HasSuffix(line, "\n") {
			break // cut by the kill
		}
		if err := json.Unmarshal([]byte(line), &h); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, h)
	}
	return all
}

// InodeOf names a file as a Hit does.
func InodeOf(t testing.TB, path string) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
