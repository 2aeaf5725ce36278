package bundle

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestTranslatePids(t *testing.T) {
	for _, tt := range []struct {
		version     string
		limit, want int64
	}{
		{"1.0.0", 0, -1},
		{"1.0.2-dev", 0, -1},
		{"1.1.0", 0, -1},
		{"1.2.1+dev", 0, -1},
		{"1.3.0-rc.1", 0, 0},
		{"1.3.0", 0, 0},
		{"1.20.0", 0, 0},
		{"1.0.2", 7, 7},
		{"1.0.2", -1, -1},
	} {
		spec, err := decode(fmt.Appendf(nil, `{"ociVersion":%q,"linux":{"resources":{"pids":{"limit":%d}}}}`, tt.version, tt.limit))
		if err != nil {
			t.Fatal(err)
		}
		if got := *spec.Linux.Resources.Pids.Limit; got != tt.want {
			t.Errorf("%s: a limit of %d is %d, want %d", tt.version, tt.limit, got, tt.want)
		}
	}
	if _, err := decode([]byte(`{"ociVersion":"1.0.0","linux":{"resources":{"pids":{}}}}`)); err != nil {
		t.Error(err)
	}
}

// decodeMount gives a config with an option of its mount, and a user namespace whose ids are in two ranges.
func decodeMount(t *testing.T, option, more string) *specs.Spec {
	t.Helper()
	spec, err := decode(fmt.Appendf(nil, `{"ociVersion":"1.0.2",
	"mounts":[{"destination":"/v","type":"bind","source":"/v","options":["rbind",%q,"ro"]%s}],
	"linux":{"namespaces":[{"type":"user"}],
	"uidMappings":[{"containerID":0,"hostID":100000,"size":10},{"containerID":10,"hostID":500,"size":5}],
	"gidMappings":[{"containerID":0,"hostID":200000,"size":10}]}}`, option, more))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestTranslateIDMap(t *testing.T) {
	type maps = []specs.LinuxIDMapping
	for _, tt := range []struct {
		option     string
		uids, gids maps
	}{
		{"idmap=uids=0-7-1;gids=1-8-2", maps{{ContainerID: 0, HostID: 7, Size: 1}}, maps{{ContainerID: 1, HostID: 8, Size: 2}}},
		{"ridmap=gids=1-8-2;uids=0-7-1", maps{{ContainerID: 0, HostID: 7, Size: 1}}, maps{{ContainerID: 1, HostID: 8, Size: 2}}},
		{
			"idmap=uids=@0-7-1#5-6-1;gids=@1-0-10",
			maps{{ContainerID: 0, HostID: 100007, Size: 1}, {ContainerID: 5, HostID: 6, Size: 1}},
			maps{{ContainerID: 1, HostID: 200000, Size: 10}},
		},
		{"idmap=uids=@3-11-4;gids=0-0-1", maps{{ContainerID: 3, HostID: 501, Size: 4}}, maps{{ContainerID: 0, HostID: 0, Size: 1}}},
	} {
		t.Run(tt.option, func(t *testing.T) {
			spec := decodeMount(t, tt.option, "")
			m := spec.Mounts[0]
			name, _, _ := strings.Cut(tt.option, "=")
			if !reflect.DeepEqual(m.Options, []string{"rbind", name, "ro"}) {
				t.Errorf("options %q", m.Options)
			}
			if !reflect.DeepEqual(m.UIDMappings, tt.uids) || !reflect.DeepEqual(m.GIDMappings, tt.gids) {
				t.Errorf("uidMappings %v, gidMappings %v", m.UIDMappings, m.GIDMappings)
			}
			var r report
			checkMounts(&r, spec)
			if r.problems != nil {
				t.Error(r.problems.Err())
			}
		})
	}
}

func TestTranslateIDMap_Broken(t *testing.T) {
	const number = "want three numbers like 0-1000-1, got "
	for _, tt := range []struct{ option, more, want string }{
		{"idmap=", "", `want uids= or gids=, got ""`},
		{"idmap=0-1-1", "", `want uids= or gids=, got "0-1-1"`},
		{"idmap=uids=0-1-1", "", "must have both uids= and gids="},
		{"idmap=uids=0-1;gids=0-1-1", "", number + `"0-1"`},
		{"idmap=uids=0-1-1-1;gids=0-1-1", "", number + `"0-1-1-1"`},
		{"idmap=uids=0-x-1;gids=0-1-1", "", number + `"0-x-1"`},
		{"idmap=uids=0-4294967296-1;gids=0-1-1", "", number + `"0-4294967296-1"`},
		{"idmap=uids=@0-9-2;gids=0-1-1", "", `"@0-9-2" is not within one entry of linux.uidMappings`},
		{"ridmap=uids=0-1-1;gids=@0-4294967295-4294967295", "", `"@0-4294967295-4294967295" is not within one entry of linux.gidMappings`},
		{
			"idmap=uids=0-1-1;gids=0-1-1", `,"uidMappings":[{"containerID":0,"hostID":1,"size":1}],"gidMappings":[{"containerID":0,"hostID":1,"size":1}]`,
			"has mappings beside uidMappings and gidMappings",
		},
	} {
		t.Run(tt.option, func(t *testing.T) {
			var r report
			checkMounts(&r, decodeMount(t, tt.option, tt.more))
			if len(r.problems) != 1 || r.problems[0].Pointer != "/mounts/0/options/1" || r.problems[0].Message != tt.want {
				t.Errorf("%q, want %s", r.problems, tt.want)
			}
		})
	}
}
