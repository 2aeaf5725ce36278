package main

import (
	"slices"
	"strings"
	"testing"
)

func TestDockerHasAllFeatures(t *testing.T) {
	for i := range clients {
		if c := &clients[i]; strings.HasPrefix(c.name, "docker") {
			if gaps := c.gaps((&docker{}).actions()); gaps != nil {
				t.Errorf("%s", strings.Join(gaps, "\n"))
			}
		}
	}
}

func TestDockerConfig(t *testing.T) {
	s := &scene{runtime: ociRuntime{Path: "/opt/rt"}, dir: "/var/tmp/tare-clients-1"}
	for _, test := range []struct {
		dir     string
		systemd bool
		parent  string
	}{
		{s.dir, false, "/tare-clients-1"},
		{s.dir + "/live", false, "/tare-clients-1-live"},
		{s.dir + "/live", true, "tareclients1live.slice"}, // a dash would be a slice in a slice
	} {
		d := newDocker(s, test.dir, test.systemd)
		if d.parent != test.parent {
			t.Errorf("parent of the cgroups: %s, want %s", d.parent, test.parent)
		}
		if len(d.address()) > len("unix://")+107 {
			t.Errorf("%s is too long for a socket", d.address())
		}
	}
}

func TestDockerRunning(t *testing.T) {
	want := []string{"run", "--rm", "--network", "none", reference, "sh", "-c", "true"}
	if got := running("true", "--rm"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	want = []string{"run", "--network", "host", reference, "sh", "-c", "true"}
	if got := running("true", "--network", "host"); !slices.Equal(got, want) {
		t.Errorf("with a network of its own: %q, want %q", got, want)
	}
}
