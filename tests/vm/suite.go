package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// testPackage is one package of -tests.
type testPackage struct {
	ImportPath                string
	Dir                       string
	TestGoFiles, XTestGoFiles []string
	Error                     *struct{ Err string } // no such package, files of two packages, ...

	rel   string // path below the module's root, and below /t in the guest
	build string // what the compiler said, if it refused
}

// runTests compiles the tests of the packages, runs them one after another in one guest, and prints a summary. The
// code is 1 if a test failed, a package did not compile, or the guest died before the end.
func runTests(ctx context.Context, o *options, stdout, stderr io.Writer) (int, error) {
	w, err := newWork(o)
	if err != nil {
		return 0, err
	}
	defer w.remove()
	pkgs, err := compileTests(ctx, o, w)
	if err != nil {
		return 0, err
	}
	if err := addProbe(ctx, w); err != nil {
		fmt.Fprintln(stderr, "vm: the guest is without the probe:", err)
	}
	if err := w.setJob(suiteJob(o, pkgs)); err != nil {
		return 0, err
	}
	r, guestErr := runGuest(ctx, o, w, stdout, stderr)
	if r == nil {
		return 0, guestErr
	}
	// A guest that died has still said over the serial line how far it came.
	total, err := summarize(ctx, o, pkgs, r.output, stdout)
	if err := errors.Join(guestErr, err); err != nil {
		return 0, err
	}
	if total.failed > 0 {
		return 1, nil
	}
	return 0, nil
}

// compileTests puts the module's files into the work tree, as tests read testdata, scripts and golden files by relative
// paths, and each package's test binary into that package's directory. A package that does not compile is remembered
// as such: the others still run.
func compileTests(ctx context.Context, o *options, w *work) ([]*testPackage, error) {
	out, err := tool(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, err
	}
	root, _, _ := strings.Cut(string(out), "\n")
	if err := copySource(root, w.tree); err != nil {
		return nil, fmt.Errorf("copy the module into the guest: %w", err)
	}
	list := []string{"list", "-e", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles,Error"}
	out, err = tool(ctx, "", "go", append(list, o.tests...)...)
	if err != nil {
		return nil, err
	}
	var pkgs []*testPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := &testPackage{}
		if err := d.Decode(p); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read the list of packages: %w", err)
		}
		// A package that does not exist has no directory; compile says so.
		if p.Dir != "" {
			if p.rel, err = filepath.Rel(root, p.Dir); err != nil {
				return nil, err
			}
		}
		if err := p.compile(ctx, filepath.Join(w.tree, p.rel)); err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) == 0 {
		return nil, fmt.Errorf("-tests %v: no such packages", o.tests)
	}
	return pkgs, nil
}

func (p *testPackage) hasTests() bool { return len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 }

// compile puts the package's test binary into dir.
func (p *testPackage) compile(ctx context.Context, dir string) error {
	if p.Error != nil {
		p.build = p.Error.Err
		return nil
	}
	if !p.hasTests() {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", filepath.Join(dir, testBinary), p.ImportPath)
	cmd.Env = append(os.Environ(), staticBuild...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		p.build = fmt.Sprintf("%s%v", out, err)
	}
	return nil
}

// staticBuild is the environment for programs that run in the guest, which has no libc.
var staticBuild = []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64"}

// testBinary is the name of the test binary in each package's directory.
const testBinary = "vm.test"

// probePackage is the program that the integration tests run in containers, and look for in $TARE_PROBE.
const probePackage = "tare/tests/probe"

// addProbe compiles the probe for the guest. Tests that do not need it still run without.
func addProbe(ctx context.Context, w *work) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w",
		"-o", filepath.Join(w.tree, ".vm/probe"), probePackage)
	cmd.Env = append(os.Environ(), staticBuild...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", probePackage, err, tail(out, 10))
	}
	return nil
}

// suiteExports tells package testutil where the programs are, and to be patient: emulation is slow.
const suiteExports = `export TARE_TEST_SLOW=20
[ ! -e /usr/local/bin/tare ] || export TARE=/usr/local/bin/tare
[ ! -e /t/.vm/probe ] || export TARE_PROBE=/t/.vm/probe
`

// suiteJob runs each package in its directory. Lines that begin with the mark say where its output begins and ends.
func suiteJob(o *options, pkgs []*testPackage) string {
	var b strings.Builder
	b.WriteString(suiteExports + exports(o))
	fmt.Fprintf(&b, `package() {
	printf '\035begin %%s\n' "$1"
	cd "/t/$2"
	"./%s" -test.v=test2json -test.timeout=%s -test.run=%s -test.skip=%s
	printf '\n\035end %%s %%d\n' "$1" $?
}
`, testBinary, o.testTimeout, quote(o.run), quote(o.skip))
	for _, p := range pkgs {
		if p.hasTests() && p.build == "" {
			fmt.Fprintf(&b, "package %s %s\n", quote(p.ImportPath), quote(p.rel))
		}
	}
	b.WriteString("exit 0\n")
	return b.String()
}
