// Package mixed has a test of each outcome; the harness's own tests count them.
package mixed

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestPass(t *testing.T) {
	for _, name := range []string{"one", "two"} {
		t.Run(name, func(*testing.T) {})
	}
}

func TestReadsTestdata(t *testing.T) {
	text, err := os.ReadFile("testdata/hello")
	if err != nil || strings.TrimSpace(string(text)) != "hello" {
		t.Fatalf("testdata/hello: %q, %v", text, err)
	}
}

func TestResultFile(t *testing.T) {
	if err := os.WriteFile(os.Getenv("TARE_VM_RESULTS")+"/from-test", []byte(os.Getenv("COLOUR")), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSkip(t *testing.T) { t.Skip("there is no moon") }

func TestFail(t *testing.T) { t.Error("two is not three") }

// TestUnfinishedLine prints lines that look like results, and one without an end.
func TestUnfinishedLine(*testing.T) {
	fmt.Println("--- FAIL: TestForged (0.00s)")
	fmt.Print("no newline")
}
