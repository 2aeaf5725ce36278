package v1

import (
	"reflect"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"

	"tare/cgroups/stats"
)

func TestParse(t *testing.T) {
	got := parse([]byte("12:cpu,cpuacct:/a/b (deleted)\n1:name=systemd:/x:y\n0::/unified\n\nbroken\n"))
	want := []Hierarchy{{Controllers: []string{"cpu", "cpuacct"}, own: "/a/b"}, {Controllers: []string{"name=systemd"}, own: "/x:y"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("12:cpu,cpuacct:/a/b (deleted)\n1:name=systemd:/x:y\n0::/unified\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, h := range parse(text) {
			if len(h.Controllers) == 0 || h.Controllers[0] == "" && len(h.Controllers) == 1 {
				t.Errorf("%+v", h)
			}
		}
	})
}

const mountTable = `30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro
31 30 0:27 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw
33 30 0:29 /docker/x /mnt/part rw - cgroup cgroup rw,cpu,cpuacct
34 30 0:29 / /mnt/with\040space rw - cgroup cgroup rw,cpu,cpuacct
35 30 0:30 / /mnt/systemd rw - cgroup cgroup rw,xattr,name=systemd
36 30 0:31 /docker/x /mnt/mem rw - cgroup cgroup rw,memory
`

func TestFind(t *testing.T) {
	mounts, err := mountinfo.GetMountsFromReader(strings.NewReader(mountTable), mountinfo.FSTypeFilter("cgroup"))
	if err != nil {
		t.Fatal(err)
	}
	for controllers, want := range map[string]string{
		"cpu,cpuacct": "/mnt/with space", "name=systemd": "/mnt/systemd", "memory": "/mnt/mem", "pids": "",
	} {
		got := ""
		if m := find(mounts, strings.Split(controllers, ",")); m != nil {
			got = m.Mountpoint
		}
		if got != want {
			t.Errorf("%s is at %q, want %q", controllers, got, want)
		}
	}
}

func TestEntries(t *testing.T) {
	got := entries([]byte("8:16 Read 12\n8:16 Total 12\n253:0 7\nTotal 19\nx:y Read 1\n8:0\n"))
	want := []stats.BlockIOEntry{
		{Major: 8, Minor: 16, Op: "Read", Value: 12}, {Major: 8, Minor: 16, Op: "Total", Value: 12}, {Major: 253, Value: 7},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestValid(t *testing.T) {
	for _, tc := range []struct {
		mount, cgroup string
		want          bool
	}{
		{"/sys/fs/cgroup/memory", "/a/b", true},
		{"/sys/fs/cgroup/memory", "/", false},
		{"/sys/fs/cgroup/memory", "a", false},
		{"/sys/fs/cgroup/memory", "/a/../b", false},
		{"/sys/fs/cgroup/memory/", "/a", false},
		{"", "/etc", false},
	} {
		if d := (Dir{Mount: tc.mount, Cgroup: tc.cgroup}); d.Valid() != tc.want {
			t.Errorf("%+v: %v", d, !tc.want)
		}
	}
}
