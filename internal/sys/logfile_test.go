package sys

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenLogFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for _, word := range []string{"one", "two"} {
		f, err := OpenLogFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(word + "\n"); err != nil {
			t.Fatal(err)
		}
		if f.Fd() < logFD {
			t.Errorf("the log is descriptor %d, among those for the workload", f.Fd())
		}
		f.Close()
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "one\ntwo\n" {
		t.Errorf("appended %q, %v", got, err)
	}
	_, err := OpenLogFile("/nonexistent/log")
	if !os.IsNotExist(err) || !strings.Contains(err.Error(), "open /nonexistent/log") {
		t.Errorf("OpenLogFile: %v", err)
	}
}
