package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		err  string
	}{
		{"command", []string{"-v", "--", "ls", "-l"}, ""},
		{"suite", []string{"-tests", "./a,./b", "-bin", "./tare"}, ""},
		{"shell", []string{"-shell", "-guest", "systemd"}, ""},
		{"nothing to do", nil, "give one of"},
		{"two things to do", []string{"-shell", "--", "ls"}, "give one of"},
		{"unknown guest", []string{"-guest", "huge", "--", "ls"}, "-guest huge"},
		{"relative destination", []string{"-add", "a:b", "--", "ls"}, "-add a:b"},
		{"no name", []string{"-env", "=x", "--", "ls"}, "-env =x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, err := parse(tc.args, io.Discard)
			switch {
			case tc.err == "" && err != nil:
				t.Fatal(err)
			case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
				t.Fatalf("error %v, want one with %q", err, tc.err)
			case tc.err == "" && o.cache == "":
				t.Error("no cache directory")
			}
		})
	}
}

func TestCommandJob(t *testing.T) {
	o := &options{command: []string{"echo", "it's", "a b"}, env: list{"X=1 2"}}
	if got, want := commandJob(o), "export X='1 2'\nexec 'echo' 'it'\\''s' 'a b'\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPackages(t *testing.T) {
	for _, where := range []string{"host", "kernel", "systemd"} {
		if len(packages(where)) == 0 {
			t.Errorf("packages.txt names no package for %s", where)
		}
	}
	if slices.Contains(packages("host"), "linux-image-cloud-amd64") {
		t.Error("the guest's kernel must not be installed on the host")
	}
}
