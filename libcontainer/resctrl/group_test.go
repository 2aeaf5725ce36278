package resctrl

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// tree is a fake one with a class that others have made.
func tree(t *testing.T) fake {
	t.Helper()
	f, err := newFake(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.mkdir("gold"), f.write("gold/schemata", "L3:0=ff;1=f\n"), f.write("gold/schemata", "MB:0=70;1=20\n"), f.put("log", "")); err != nil {
		t.Fatal(err)
	}
	before := find
	find = func() (fileSystem, error) { return f, nil }
	t.Cleanup(func() { find = before })
	return f
}

func (f fake) wantLog(t *testing.T, lines ...string) {
	t.Helper()
	got, _ := f.read("log")
	want := strings.Join(lines, "\n")
	if len(lines) > 0 {
		want += "\n"
	}
	if string(got) != want {
		t.Errorf("what was done:\n%swant:\n%s", got, want)
	}
}

// The rules of config-linux.md, IntelRdt, one by one: what is done from create to delete.
func TestLife(t *testing.T) {
	for name, tt := range map[string]struct {
		rdt  specs.LinuxIntelRdt
		want []string
	}{
		"closID unset": {specs.LinuxIntelRdt{}, []string{`mkdir web`, `write web/tasks "7"`, `rmdir web`}},
		"l3CacheSchema first, memBwSchema, schemata last": {
			specs.LinuxIntelRdt{
				MemBwSchema: "MB:0=20", Schemata: []string{"MB:0=40;1=30", "L3:0=1"}, L3CacheSchema: "L3:0=3",
			},
			[]string{
				`mkdir web`, `write web/schemata "L3:0=3\n"`, `write web/schemata "MB:0=20\n"`,
				`write web/schemata "MB:0=40;1=30\n"`, `write web/schemata "L3:0=1\n"`, `write web/tasks "7"`, `rmdir web`,
			},
		},
		"default class": {specs.LinuxIntelRdt{ClosID: "/"}, []string{`write tasks "7"`}},
		"default class with its values": {
			specs.LinuxIntelRdt{ClosID: "/", L3CacheSchema: "L3:0=fff"}, []string{`write tasks "7"`},
		},
		"closID there, no schema": {specs.LinuxIntelRdt{ClosID: "gold"}, []string{`write gold/tasks "7"`}},
		"closID there, its values": {
			specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:1=00F", MemBwSchema: "MB:0=65;1=20", Schemata: []string{"L3:0=0xff"}},
			[]string{`write gold/tasks "7"`},
		},
		"closID missing, schema": {
			specs.LinuxIntelRdt{ClosID: "new", Schemata: []string{"L3:0=f"}},
			[]string{`mkdir new`, `write new/schemata "L3:0=f\n"`, `write new/tasks "7"`},
		},
		"monitoring": {
			specs.LinuxIntelRdt{EnableMonitoring: true},
			[]string{
				`mkdir web`, `mkdir web/mon_groups/web`, `write web/tasks "7"`, `write web/mon_groups/web/tasks "7"`,
				`rmdir web/mon_groups/web`, `rmdir web`,
			},
		},
		"monitoring in a class of others": {
			specs.LinuxIntelRdt{ClosID: "gold", EnableMonitoring: true},
			[]string{
				`mkdir gold/mon_groups/web`, `write gold/tasks "7"`, `write gold/mon_groups/web/tasks "7"`, `rmdir gold/mon_groups/web`,
			},
		},
		"monitoring in the default class": {
			specs.LinuxIntelRdt{ClosID: "/", EnableMonitoring: true},
			[]string{`mkdir mon_groups/web`, `write tasks "7"`, `write mon_groups/web/tasks "7"`, `rmdir mon_groups/web`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := tree(t)
			g, err := Plan("web", &tt.rdt)
			if err != nil {
				t.Fatal(err)
			}
			f.wantLog(t)
			if err := errors.Join(g.Create(), g.Add(7)); err != nil {
				t.Fatal(err)
			}
			if err := Remove(g.State().Committed()); err != nil {
				t.Fatal(err)
			}
			f.wantLog(t, tt.want...)
		})
	}
}

// closID unset, and a directory of that name there: it is not ours to remove.
func TestForeignDirectory(t *testing.T) {
	f := tree(t)
	g, err := Plan("gold", &specs.LinuxIntelRdt{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(g.Create(), g.Add(7), Remove(g.State())); err != nil {
		t.Fatal(err)
	}
	f.wantLog(t, `write gold/tasks "7"`)
}

func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		id   string
		rdt  specs.LinuxIntelRdt
		text string
	}{
		"other cache share": {"web", specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:0=7f"}, "L3:0 is ff, not 7f"},
		"other bandwidth":   {"web", specs.LinuxIntelRdt{ClosID: "gold", MemBwSchema: "MB:0=60"}, "MB:0 is 70, not 60"},
		"other line":        {"web", specs.LinuxIntelRdt{ClosID: "gold", Schemata: []string{"L3:1=f", "MB:1=30"}}, "MB:1 is 20, not 30"},
		"no such domain":    {"web", specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:2=1"}, `L3 has no domain "2"`},
		"default class":     {"web", specs.LinuxIntelRdt{ClosID: "/", L3CacheSchema: "L3:0=1"}, "L3:0 is fff, not 1"},
		"missing":           {"web", specs.LinuxIntelRdt{ClosID: "none"}, "without a schema none is made"},
		"no class":          {"web", specs.LinuxIntelRdt{ClosID: "info", L3CacheSchema: "L3:0=1"}, "part of resctrl"},
		"id is no class":    {"mon_groups", specs.LinuxIntelRdt{}, "part of resctrl"},
		"id is a file":      {"schemata", specs.LinuxIntelRdt{}, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			f := tree(t)
			_, err := Plan(tt.id, &tt.rdt)
			if err == nil || !strings.Contains(err.Error(), tt.text) || !strings.HasPrefix(err.Error(), "linux.intelRdt.closID (/linux/intelRdt/closID): ") {
				t.Errorf("error %v, want %q", err, tt.text)
			}
			f.wantLog(t)
		})
	}
}

// What cannot be made leaves nothing.
func TestFailedCreate(t *testing.T) {
	for name, tt := range map[string]struct {
		rdt     specs.LinuxIntelRdt
		prepare func(fake) error
		text    string
	}{
		"bad value": {
			specs.LinuxIntelRdt{L3CacheSchema: "L3:0=1", MemBwSchema: "MB:9=10", EnableMonitoring: true},
			func(fake) error { return nil }, `/web/schemata: invalid argument (Unknown resource name 'MB' or domain 9)`,
		},
		"bad value for a closID": {
			specs.LinuxIntelRdt{ClosID: "new", Schemata: []string{"L4:0=1"}},
			func(fake) error { return nil }, `/new/schemata: invalid argument`,
		},
		"no more classes": {
			specs.LinuxIntelRdt{}, func(f fake) error { return errors.Join(f.mkdir("a"), f.mkdir("b")) }, "no more classes of service",
		},
		"no monitoring": {
			specs.LinuxIntelRdt{ClosID: "gold", EnableMonitoring: true},
			func(f fake) error { return os.Remove(filepath.Join(f.root, "gold/mon_groups")) }, "does not monitor",
		},
		"monitoring group there": {
			specs.LinuxIntelRdt{ClosID: "gold", EnableMonitoring: true},
			func(f fake) error { return f.mkdir("gold/mon_groups/web") }, "file exists",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := tree(t)
			if err := tt.prepare(f); err != nil {
				t.Fatal(err)
			}
			before := f.dirs(t)
			g, err := Plan("web", &tt.rdt)
			if err == nil {
				err = g.Create()
			}
			if err == nil || !strings.Contains(err.Error(), tt.text) || !strings.HasPrefix(err.Error(), "linux.intelRdt") {
				t.Errorf("error %v, want %q", err, tt.text)
			}
			if after := f.dirs(t); after != before {
				t.Errorf("directories %s, before %s", after, before)
			}
		})
	}
}

func (f fake) dirs(t *testing.T) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(f.root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			all = append(all, strings.TrimPrefix(path, f.root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// A create that fails later, and a delete after one that was killed, take back what was made for it; but not a class that
// somebody else is in by now.
func TestUndo(t *testing.T) {
	for _, killed := range []bool{false, true} {
		for _, rdt := range []specs.LinuxIntelRdt{
			{EnableMonitoring: true},
			{ClosID: "new", L3CacheSchema: "L3:0=1", EnableMonitoring: true},
			{ClosID: "gold", EnableMonitoring: true},
			{ClosID: "/"},
		} {
			f := tree(t)
			before := f.dirs(t)
			g, err := Plan("web", &rdt)
			if err == nil {
				err = g.Create()
			}
			if err == nil && killed {
				err = Remove(g.State())
			} else if err == nil {
				err = g.Undo()
			}
			if after := f.dirs(t); after != before || err != nil {
				t.Errorf("%+v: directories %s, before %s; %v", rdt, after, before, err)
			}
		}
	}
	f := tree(t)
	g, err := Plan("web", &specs.LinuxIntelRdt{ClosID: "new", L3CacheSchema: "L3:0=1"})
	if err := errors.Join(err, g.Create(), f.write("new/tasks", fmt.Sprint(os.Getpid())), g.Undo()); err != nil {
		t.Fatal(err)
	}
	if tasks, _ := f.read("new/tasks"); len(tasks) == 0 {
		t.Error("the class is gone, with a process of somebody else in it")
	}
}

func TestSetSchemata(t *testing.T) {
	f := tree(t)
	g, err := Load(&State{Class: "gold"})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := f.read("gold/schemata")
	restore, err := g.SetSchemata(&specs.LinuxIntelRdt{MemBwSchema: "MB:1=40", L3CacheSchema: "L3:0=3"})
	if err != nil {
		t.Fatal(err)
	}
	f.wantLog(t, `write gold/schemata "L3:0=3\n"`, `write gold/schemata "MB:1=40\n"`)
	if err := restore(); err != nil {
		t.Error(err)
	}
	if after, _ := f.read("gold/schemata"); string(after) != string(before) {
		t.Errorf("schemata %s, before %s", after, before)
	}
	if _, err := g.SetSchemata(&specs.LinuxIntelRdt{L3CacheSchema: "L3:0=3", MemBwSchema: "MB:7=1"}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("error %v, want EINVAL", err)
	}
	if after, _ := f.read("gold/schemata"); string(after) != string(before) {
		t.Errorf("schemata %s after a failure, before %s", after, before)
	}
}

// This machine may have resctrl or not: but what is not mounted is not found, and not touched.
func TestFindMounted(t *testing.T) {
	fs, err := findMounted()
	if err == nil {
		defer fs.close()
		if _, err := fs.read("schemata"); err != nil {
			t.Error(err)
		}
		return
	}
	if !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	if err := Remove(&State{Class: "web", Own: true}); err != nil {
		t.Error(err)
	}
}
