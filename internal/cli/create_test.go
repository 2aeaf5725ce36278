package cli

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"tare/libcontainer"
)

// parseCreate parses args as create's and returns what libcontainer would get.
func parseCreate(args ...string) (libcontainer.CreateOptions, error) {
	a := &app{name: "tare", global: globalOptions{root: "/r", rootless: "auto"}}
	o := &createOptions{}
	var lo libcontainer.CreateOptions
	c := &cli.Command{Name: "create", Flags: o.flags(), Action: func(_ context.Context, c *cli.Command) error {
		err := a.wantArgs(c, 1, 1)
		if err == nil {
			lo, err = a.createOptions(o, c.Args().First())
		}
		return err
	}}
	err := a.parse(c, append([]string{"create"}, args...))
	return lo, err
}

func TestCreateOptions(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("NOTIFY_SOCKET", "/run/n.sock")
	t.Setenv("LISTEN_FDS", "2")
	t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	base := libcontainer.CreateOptions{Root: "/r", ID: "web", Bundle: wd, Rootless: "auto", ListenFDs: 2, NotifySocket: "/run/n.sock"}
	with := func(f func(*libcontainer.CreateOptions)) libcontainer.CreateOptions {
		o := base
		f(&o)
		return o
	}
	tests := []struct {
		name string
		args string
		want libcontainer.CreateOptions
	}{
		{"nothing", "web", base},
		{"two words", "--bundle /b --pid-file /p web", with(func(o *libcontainer.CreateOptions) { o.Bundle, o.PidFile = "/b", "/p" })},
		{"equals sign", "--bundle=/b --pid-file=/p web", with(func(o *libcontainer.CreateOptions) { o.Bundle, o.PidFile = "/b", "/p" })},
		{"one dash", "-bundle /b -no-pivot -pid-file=/p web", with(func(o *libcontainer.CreateOptions) { o.Bundle, o.NoPivot, o.PidFile = "/b", true, "/p" })},
		{"short", "-b /b web", with(func(o *libcontainer.CreateOptions) { o.Bundle = "/b" })},
		{"twice, the last one counts", "--bundle /a --no-pivot --bundle /b --no-pivot web", with(func(o *libcontainer.CreateOptions) { o.Bundle, o.NoPivot = "/b", true })},
		{"after the id", "web --bundle /b", with(func(o *libcontainer.CreateOptions) { o.Bundle = "/b" })},
		{"bool with a value", "--no-new-keyring=true --no-pivot=false web", with(func(o *libcontainer.CreateOptions) { o.NoNewKeyring = true })},
		{"comma in a value", "--bundle /a,b web", with(func(o *libcontainer.CreateOptions) { o.Bundle = "/a,b" })},
		{"end of options", "--bundle /b -- -web", with(func(o *libcontainer.CreateOptions) { o.Bundle, o.ID = "/b", "-web" })},
		{
			"relative paths", "--bundle b --pid-file p --console-socket c --pidfd-socket d web",
			with(func(o *libcontainer.CreateOptions) {
				o.Bundle, o.PidFile = filepath.Join(wd, "b"), filepath.Join(wd, "p")
				o.ConsoleSocket, o.PidfdSocket = filepath.Join(wd, "b/c"), filepath.Join(wd, "b/d")
			}),
		},
		{"decimal", "--preserve-fds 010 web", with(func(o *libcontainer.CreateOptions) { o.PreserveFDs = 10 })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseCreate(strings.Fields(tt.args)...)
			if got.Warn == nil {
				t.Error("nobody hears of warnings")
			}
			got.Warn = nil
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
}

func TestCreateOptions_Refused(t *testing.T) {
	for args, want := range map[string]string{
		"--preserve-fds -1 web": "negative",
		"--preserve-fds x web":  `invalid value "x" for flag -preserve-fds`,
		"--no-pivot=x web":      `invalid value "x" for flag -no-pivot`,
		"--bundle":              "flag needs an argument: --bundle",
		"--bogus web":           "flag provided but not defined: -bogus",
		"-x web":                "flag provided but not defined: -x",
		"":                      `tare: "create" requires exactly 1 argument`,
		"a b":                   `tare: "create" requires exactly 1 argument`,
	} {
		if _, err := parseCreate(strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("create %s: %v, want %s", args, err, want)
		}
	}
}

// Whatever the arguments, they are parsed or refused, and what is parsed is complete.
func FuzzCreateArgs(f *testing.F) {
	f.Add("--bundle /b --pid-file=p web")
	f.Add("-b = -- -- --no-pivot=")
	f.Add("-\xff --\xff=\x00 -é -= --= - -1 a")
	f.Fuzz(func(t *testing.T, args string) {
		o, err := parseCreate(strings.Split(args, " ")...)
		if err != nil {
			return
		}
		for _, path := range []string{o.Root, o.Bundle, o.PidFile, o.ConsoleSocket, o.PidfdSocket} {
			if path != "" && !filepath.IsAbs(path) {
				t.Fatalf("relative path %q in %+v", path, o)
			}
		}
		if o.Root == "" || o.Bundle == "" || o.PreserveFDs < 0 {
			t.Fatalf("incomplete: %+v", o)
		}
	})
}

func TestListenFDs(t *testing.T) {
	tests := []struct {
		pid, fds string
		want     int
	}{
		{"42", "3", 3}, {"41", "3", 0}, {"", "3", 0}, {"42", "", 0}, {"42", "-1", 0}, {"x", "3", 0}, {"42", "x", 0},
	}
	for _, tt := range tests {
		if got := listenFDs(42, tt.pid, tt.fds); got != tt.want {
			t.Errorf("LISTEN_PID=%s LISTEN_FDS=%s: %d, want %d", tt.pid, tt.fds, got, tt.want)
		}
	}
}
