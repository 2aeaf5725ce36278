package clitest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const brokenDir = "../bundles/broken"

// Each broken config is refused by create with an error that names the field, and leaves nothing behind.
// expect.txt says, a line each: file, JSON pointer, text of the error, with tabs between.
func TestBrokenConfigs(t *testing.T) {
	dependOnSources(t)
	expect, err := os.ReadFile(filepath.Join(brokenDir, "expect.txt"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"expect.txt": true}
	for l := range strings.Lines(string(expect)) {
		l = strings.TrimRight(l, "\n")
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		f := strings.Split(l, "\t")
		if len(f) != 3 {
			t.Fatalf("expect.txt: want three fields: %q", l)
		}
		listed[f[0]] = true
		t.Run(f[0], func(t *testing.T) { testBroken(t, f[0], f[1], f[2]) })
	}
	files, err := os.ReadDir(brokenDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".json") && !listed[f.Name()] {
			t.Errorf("%s is not in expect.txt", f.Name())
		}
	}
}

func testBroken(t *testing.T, file, pointer, text string) {
	bundle, root := t.TempDir(), filepath.Join(t.TempDir(), "root")
	config, err := os.ReadFile(filepath.Join(brokenDir, file))
	if err == nil {
		err = errors.Join(os.Mkdir(filepath.Join(bundle, "rootfs"), 0o755),
			os.WriteFile(filepath.Join(bundle, "config.json"), config, 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	log := filepath.Join(bundle, "log.json")
	c := exec.CommandContext(ctx, filepath.Join(binDir, "tare"),
		"--root", root, "--log", log, "--log-format", "json", "create", "--bundle", bundle, "broken")
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); c.ProcessState.ExitCode() != 1 {
		t.Errorf("exit code: %v", err)
	}
	msg := stderr.String()
	if stdout.Len() != 0 || strings.Count(msg, "\n") != 1 {
		t.Errorf("stdout %q, want one line on stderr", stdout.String())
	}
	for _, want := range []string{"tare create failed: ", pointer, text} {
		if !strings.Contains(msg, want) {
			t.Errorf("the error does not say %q", want)
		}
	}
	for _, bad := range []string{"goroutine", "panic", "runtime error"} {
		if strings.Contains(msg, bad) {
			t.Errorf("the error says %q", bad)
		}
	}
	if record, err := os.ReadFile(log); err != nil || strings.Count(string(record), "\n") != 1 {
		t.Errorf("log %q, %v: want one record", record, err)
	}
	if left, err := os.ReadDir(root); err != nil && !errors.Is(err, os.ErrNotExist) || len(left) != 0 {
		t.Errorf("left in the state root: %v, %v", left, err)
	}
	if t.Failed() {
		t.Logf("stderr: %s", msg)
	}
}
