package mountopt

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	const atime = unix.MOUNT_ATTR__ATIME
	tests := []struct {
		name    string
		options string // separated by blanks
		want    Options
	}{
		{"none", "", Options{}},
		{"flags of a typical proc", "nosuid noexec nodev", Options{Attrs: Attrs{Set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NODEV}}},
		{"ro is of the mount and of the filesystem", "ro", Options{Attrs: Attrs{Set: unix.MOUNT_ATTR_RDONLY}, SuperSet: SuperReadOnly}},
		{"later opposite clears", "ro rw nosuid suid nodev dev noexec exec nosymfollow symfollow nodiratime diratime", Options{
			Attrs: Attrs{Clear: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC |
				unix.MOUNT_ATTR_NOSYMFOLLOW | unix.MOUNT_ATTR_NODIRATIME}, SuperClear: SuperReadOnly,
		}},
		{"later opposite sets", "rw ro suid nosuid", Options{Attrs: Attrs{Set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}, SuperSet: SuperReadOnly}},
		{"defaults takes back", "ro nosuid sync defaults nodev", Options{Attrs: Attrs{Set: unix.MOUNT_ATTR_NODEV}}},
		{"noatime", "noatime", Options{Attrs: Attrs{Set: unix.MOUNT_ATTR_NOATIME, Clear: atime}}},
		{"last access time holds", "noatime relatime strictatime", Options{Attrs: Attrs{Set: unix.MOUNT_ATTR_STRICTATIME, Clear: atime}}},
		{"atime takes noatime back", "noatime atime", Options{Attrs: Attrs{Clear: atime}}},
		{"atime alone asks for the default", "atime", Options{Attrs: Attrs{Clear: atime}}},
		{"atime leaves strictatime", "strictatime atime", Options{Attrs: Attrs{Set: unix.MOUNT_ATTR_STRICTATIME, Clear: atime}}},
		{"norelatime alone is nothing", "norelatime", Options{}},
		{"nostrictatime", "strictatime nostrictatime", Options{Attrs: Attrs{Clear: atime}}},
		{"recursive", "rro rnosuid rdev rnoatime", Options{Recursive: Attrs{
			Set:   unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOATIME,
			Clear: unix.MOUNT_ATTR_NODEV | atime,
		}}},
		{"superblock", "sync dirsync lazytime mand nolazytime", Options{SuperSet: SuperSync | SuperDirsync | SuperMand, SuperClear: SuperLazytime}},
		{"async", "sync async", Options{SuperClear: SuperSync}},
		{"known without effect", "silent loud iversion noiversion", Options{}},
		{"rbind", "rbind rslave shared", Options{Flags: Bind | Recursive, Propagation: []uint32{unix.MS_SLAVE | unix.MS_REC, unix.MS_SHARED}}},
		{"verbs", "bind remount tmpcopyup copy-symlink idmap ridmap", Options{Flags: Bind | Remount | TmpCopyUp | CopySymlink | IDMap | RIDMap}},
		{"data", "mode=1777 size=64k newinstance", Options{Data: []Datum{{"mode", "1777", true}, {"size", "64k", true}, {"newinstance", "", false}}}},
		{"data in one string", "mode=755,size=1k,,x", Options{Data: []Datum{{"mode", "755", true}, {"size", "1k", true}, {"x", "", false}}}},
		{"quoted", `context="u:o:t:s0:c1,c2",mode=1`, Options{Data: []Datum{{"context", "u:o:t:s0:c1,c2", true}, {"mode", "1", true}}}},
		{"escaped", `lowerdir=/a\,b:/c,x`, Options{Data: []Datum{{"lowerdir", `/a\,b:/c`, true}, {"x", "", false}}}},
		{"value with an equals sign", "a=b=c d=", Options{Data: []Datum{{"a", "b=c", true}, {"d", "", true}}}},
		{"case counts", "RO", Options{Data: []Datum{{"RO", "", false}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(strings.Fields(tt.options))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestParse_Malformed(t *testing.T) {
	for _, text := range []string{"=x", "a\x00b", "a=b\x00", "ok,=x"} {
		if got, err := Parse([]string{text}); !errors.Is(err, ErrOption) {
			t.Errorf("%q: got %+v, %v; want ErrOption", text, got, err)
		}
	}
}

func TestNames(t *testing.T) {
	names := Names()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error("the table is not sorted and unique, so it cannot be searched")
	}
	for _, name := range names {
		if o, err := Parse([]string{name}); err != nil || len(o.Data) != 0 {
			t.Errorf("%s is taken for data: %+v, %v", name, o, err)
		}
	}
	// The names that the spec lists, as far as Linux has them.
	for name := range strings.FieldsSeq(`async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime nodev nodiratime noexec
		noiversion nolazytime norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime remount
		rexec rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave
		rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable idmap ridmap mand nomand`) {
		if _, ok := find(name); !ok {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestSuperNames(t *testing.T) {
	all := SuperReadOnly | SuperSync | SuperDirsync | SuperLazytime | SuperMand
	if got := strings.Join(all.SetNames(), " "); got != "ro sync dirsync lazytime mand" {
		t.Errorf("set: %s", got)
	}
	if got := strings.Join(all.ClearNames(), " "); got != "rw async nolazytime nomand" {
		t.Errorf("clear: %s", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("ro\nrw\nmode=755,size=1k")
	f.Add("noatime\natime\nrro\nrbind")
	f.Add(`context="a,b"`)
	f.Fuzz(func(t *testing.T, text string) {
		o, err := Parse(strings.Split(text, "\n"))
		if err != nil {
			return
		}
		for _, a := range []Attrs{o.Attrs, o.Recursive} {
			if both := a.Set & a.Clear &^ unix.MOUNT_ATTR__ATIME; both != 0 {
				t.Errorf("set and cleared: %#x", both)
			}
			if a.Set&unix.MOUNT_ATTR__ATIME != 0 && a.Clear&unix.MOUNT_ATTR__ATIME != unix.MOUNT_ATTR__ATIME {
				t.Error("access time set without clearing the field")
			}
		}
		if o.SuperSet&o.SuperClear != 0 {
			t.Errorf("superblock flags set and cleared: %#x", o.SuperSet&o.SuperClear)
		}
		for _, d := range o.Data {
			if _, known := find(d.String()); known && !strings.Contains(text, ",") {
				t.Errorf("%s is known and became data", d)
			}
		}
	})
}
