package clitest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// binDir holds the binary under the names tare and runc.
var binDir string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tare-cli-")
	if err == nil {
		defer os.RemoveAll(dir)
		// User namespaces of the scripts look in from outside.
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		binDir = dir
		err = install()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// install puts the binary into binDir.
func install() error {
	target := os.Getenv("TARE")
	if target == "" {
		target = filepath.Join(binDir, "tare.bin")
		const version = "-X tare/internal/cli.version=0.0.0-test -X tare/internal/cli.commit=0123abc"
		build := exec.Command("go", "build", "-trimpath", "-tags", "urfave_cli_no_template", "-ldflags", version, "-o", target, "tare")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build tare: %w\n%s", err, out)
		}
	}
	target, err := filepath.Abs(target)
	if err != nil {
		return err
	}
	return errors.Join(os.Symlink(target, filepath.Join(binDir, "tare")), os.Symlink(target, filepath.Join(binDir, "runc")))
}

func TestScripts(t *testing.T) {
	dependOnSources(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", binDir+":"+os.Getenv("PATH"))
			return nil
		},
		Condition: condition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
			"line":  line,
		},
	})
}

// dependOnSources looks at each source file of the module. go test remembers what a test looked at, and runs it again, in
// place of a cached result, when one of them has changed; it does not see what the go build of ours reads. (It remembers
// from m.Run on, so TestMain is too early.)
func dependOnSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err == nil && d.Name() == ".git":
			return fs.SkipDir
		case err == nil && strings.HasSuffix(path, ".go"):
			_, err = os.Stat(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // an editor's file, gone again
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// condition answers [userns]: whether this user may make user namespaces.
func condition(cond string) (bool, error) {
	if cond == "userns" {
		return exec.Command("unshare", "--user", "--map-root-user", "true").Run() == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// exits runs a command that must end with that exit code: exits 3 tare bogus.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// line demands that standard error, or a file, is one line that contains the words: line stderr 'does not exist'.
func line(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: line file text...")
	}
	text := ts.ReadFile(args[0])
	if !strings.HasSuffix(text, "\n") || strings.Count(text, "\n") != 1 {
		ts.Fatalf("%s is not one line: %q", args[0], text)
	}
	if i := slices.IndexFunc(args[1:], func(want string) bool { return !strings.Contains(text, want) }); i >= 0 {
		ts.Fatalf("%s does not say %q: %s", args[0], args[i+1], text)
	}
}
