package initproc

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/proto"
)

func TestLastEntries(t *testing.T) {
	tests := []struct {
		name      string
		env, want []string
	}{
		{"none", nil, []string{}},
		{"each once", []string{"A=1", "B=2"}, []string{"A=1", "B=2"}},
		{"the last, in its place", []string{"A=1", "B=2", "A=3", "C=4"}, []string{"B=2", "A=3", "C=4"}},
		{"same twice", []string{"A=1", "A=1"}, []string{"A=1"}},
		{"empty values", []string{"A=1", "A="}, []string{"A="}},
		{"equals signs in values", []string{"A=b=c", "A=b=d"}, []string{"A=b=d"}},
		{"no equals sign", []string{"A", "A=1"}, []string{"A=1"}},
		{"case counts", []string{"a=1", "A=2"}, []string{"a=1", "A=2"}},
		{"newline in a value", []string{"A=1\nB=2", "B=3"}, []string{"A=1\nB=2", "B=3"}}, // A35
	}
	for _, tt := range tests {
		before := slices.Clone(tt.env)
		if got := lastEntries(tt.env); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if !slices.Equal(tt.env, before) {
			t.Errorf("%s: the config was changed to %q", tt.name, tt.env)
		}
	}
}

func TestWithout(t *testing.T) {
	got := without([]string{"A=1", "LISTEN_FDS=3", "LISTEN_FDSX=1", "LISTEN_FDS", "B=LISTEN_FDS=", "LISTEN_PID=7"}, "LISTEN_FDS", "LISTEN_PID")
	if want := []string{"A=1", "LISTEN_FDSX=1", "B=LISTEN_FDS="}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestEnvironment(t *testing.T) {
	tests := []struct {
		name string
		env  []string
		cfg  proto.Config
		want []string
	}{
		{"as it is", []string{"HOME=/h", "A=1"}, proto.Config{}, []string{"HOME=/h", "A=1"}},
		{"an empty HOME is one", []string{"HOME="}, proto.Config{}, []string{"HOME="}},
		{
			"descriptors",
			[]string{"LISTEN_FDS=9", "HOME=/h", "LISTEN_PID=9"},
			proto.Config{ListenFDs: 2},
			[]string{"HOME=/h", "LISTEN_FDS=2", "LISTEN_PID=1"},
		},
		{"descriptors of the config's own", []string{"LISTEN_FDS=9", "HOME=/h"}, proto.Config{}, []string{"LISTEN_FDS=9", "HOME=/h"}},
		{
			"notify",
			[]string{"HOME=/h", "NOTIFY_SOCKET=/host"},
			proto.Config{NotifyDir: "/state/notify"},
			[]string{"HOME=/h", "NOTIFY_SOCKET=/run/notify/notify.sock"},
		},
	}
	for _, tt := range tests {
		tt.cfg.Spec = &specs.Spec{Process: &specs.Process{Env: tt.env}}
		p := &initProc{cfg: &tt.cfg}
		if got := p.environment(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

const passwd = `root:x:0:0:root:/root:/bin/sh
# comment
short:x:5
relative:x:6:6::home:/bin/sh
relative:x:6:6::/second:/bin/sh
user:x:1000:1000:A, B:/home/user:/bin/sh
again:x:1000:1000::/home/again:/bin/sh
noshell:x:1001:1001::/home/noshell
empty:x:1002:1002:::/bin/sh
max:x:4294967295:0::/max:
over:x:4294967296:0::/over:
wraps:x:4294967309:0::/wraps:
negative:x:-1:0::/negative:
hex:x:0x7:0::/hex:
plus:x:+8:0::/plus:
space:x: 9:0::/space:
nul:x:10:0::/a` + "\x00" + `b:
last:x:11:11::/last:/bin/sh`

func TestParseHome(t *testing.T) {
	for uid, want := range map[uint32]string{
		0: "/root", 5: "/", 6: "/second", 1000: "/home/user", 1001: "/home/noshell", 1002: "/", 1<<32 - 1: "/max",
		7: "/", 8: "/", 9: "/", 10: "/", 11: "/last", 12: "/", 13: "/",
	} {
		if got := parseHome(strings.NewReader(passwd), uid); got != want {
			t.Errorf("uid %d: %q, want %q", uid, got, want)
		}
	}
	if got := parseHome(strings.NewReader(strings.Repeat("x", 200_000)+"\n"+passwd), 0); !strings.HasPrefix(got, "/") {
		t.Errorf("after a line without end: %q", got)
	}
	if got := parseHome(strings.NewReader(""), 0); got != "/" {
		t.Errorf("an empty file: %q", got)
	}
}

// FuzzParseHome: the file is the image's. What comes of it is a path that can stand in an environment.
func FuzzParseHome(f *testing.F) {
	f.Add(passwd, uint32(1000))
	f.Add("a:b:0:d:e:/f\r\n", uint32(0))
	f.Add("::0::://", uint32(0))
	f.Add("::10:::/a\x00b:", uint32(10))
	f.Fuzz(func(t *testing.T, file string, uid uint32) {
		got := parseHome(strings.NewReader(file), uid)
		if !strings.HasPrefix(got, "/") || strings.ContainsAny(got, "\n:\x00") {
			t.Errorf("home %q", got)
		}
		if got != "/" && !strings.Contains(file, ":"+got) {
			t.Errorf("home %q is nowhere in the file", got)
		}
	})
}
