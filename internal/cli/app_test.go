package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// invoke runs a command line and returns what it printed.
func invoke(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	a := &app{name: programName(args), stdout: &out, stderr: &errOut}
	code = a.report(a.run(args))
	return code, out.String(), errOut.String()
}

func TestProgramName(t *testing.T) {
	for in, want := range map[string]string{"tare": "tare", "/usr/bin/runc": "runc", "./runc": "runc", "runc.real": "tare", "": "tare"} {
		if got := programName([]string{in}); got != want {
			t.Errorf("programName(%q) = %s", in, got)
		}
	}
	if got := programName(nil); got != "tare" {
		t.Errorf("programName() = %s", got)
	}
}

func TestVersion(t *testing.T) {
	version, commit = "1.2.3", "abcdef"
	defer func() { version, commit = "", "" }()
	for _, tt := range []struct{ program, option, first string }{
		{"tare", "--version", "tare version 1.2.3\n"},
		{"/usr/bin/runc", "-v", "runc version 1.2.3\n"},
		{"tare", "-version", "tare version 1.2.3\n"},
	} {
		code, stdout, stderr := invoke(t, tt.program, tt.option)
		if code != 0 || stderr != "" || !strings.HasPrefix(stdout, tt.first+"commit: abcdef\nspec: 1.3.0\ngo: go") {
			t.Errorf("%s %s: exit %d, %q, %q", tt.program, tt.option, code, stdout, stderr)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	root := t.TempDir()
	tests := []struct {
		args string
		code int
		want string // in the one line on standard error
	}{
		{"bogus", 3, "No help topic for 'bogus'"},
		{"exec", 1, `tare: "exec" requires a minimum of 1 argument(s), got 0 (see tare exec --help)`},
		{"checkpoint", 1, `tare: "checkpoint" requires exactly 1 argument(s)`},
		{"restore --lsm-mount-context", 1, "flag needs an argument: --lsm-mount-context"},
		{"help bogus", 3, "No help topic for 'bogus'"},
		{"--bogus", 1, "flag provided but not defined: -bogus (see tare --help)"},
		{"state --bogus web", 1, "flag provided but not defined: -bogus (see tare state --help)"},
		{"state --root / web", 1, "flag provided but not defined: -root"},
		{"--root", 1, "flag needs an argument: --root"},
		{"state", 1, `tare: "state" requires exactly 1 argument(s)`},
		{"start a b", 1, `tare: "start" requires exactly 1 argument(s)`},
		{"kill", 1, `tare: "kill" requires a minimum of 1 argument(s)`},
		{"kill a 9 b", 1, `tare: "kill" requires a maximum of 2 argument(s)`},
		{"list x", 1, `tare: "list" requires exactly 0 argument(s)`},
		{"kill web BOGUS", 1, `unknown signal "BOGUS"`},
		{"kill web --all", 1, `unknown signal "--all"`}, // options end at the id
		{"--log-format xml list", 1, "invalid log-format: xml"},
		{"--rootless maybe list", 1, `"maybe" is none of auto, true, false`},
		{"--root / list", 1, "--root must not be /"},
		{"--root /dev/null/x list", 1, "not a directory"},
		{"list --format xml", 1, `invalid format option "xml"`},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			code, stdout, stderr := invoke(t, append([]string{"tare", "--root", root}, strings.Fields(tt.args)...)...)
			if code != tt.code || stdout != "" || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
			}
		})
	}
}

// Global options may come twice, with one dash, and with an equals sign.
func TestGlobalOptions(t *testing.T) {
	root := t.TempDir()
	for _, args := range [][]string{
		{"--root", root},
		{"--root=" + root},
		{"-root", root},
		{"--root", "/nonexistent", "--root", root},
		{"--systemd-cgroup", "--systemd-cgroup", "--root", root, "--criu", "/usr/sbin/criu", "--rootless=true"},
		{"--systemd-cgroup=false", "--debug=false", "--root", root},
	} {
		code, stdout, stderr := invoke(t, append(append([]string{"tare"}, args...), "list", "-q")...)
		if code != 0 || stdout != "" || stderr != "" {
			t.Errorf("%s: exit %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

// An answer that could not be written is an error.
func TestPrint_Full(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("needs /dev/full:", err)
	}
	defer full.Close()
	var stderr bytes.Buffer
	a := &app{name: "tare", stdout: full, stderr: &stderr}
	if code := a.report(a.run([]string{"tare", "--version"})); code != 1 || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("exit %d, %q", code, stderr.String())
	}
}
