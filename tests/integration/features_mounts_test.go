package integration

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

// mountProof is a mount whose last option is the one to prove, and what mountinfo must, or must not, say of it.
type mountProof struct {
	before string // options before it, with spaces between
	has    string // a word of the mount's options, of its filesystem's, or the beginning of a tag
	lacks  string // the same, not to be there
}

// mountProofs are the options that show in mountinfo. An option without has and lacks is known, and has no effect, as in mount(2): the
// mount is there, and none of the filesystem's own words.
var mountProofs = map[string]mountProof{
	"defaults": {before: "ro nosuid", lacks: "ro"},
	"ro":       {has: "ro"}, "rw": {before: "ro", lacks: "ro"},
	"nosuid": {has: "nosuid"}, "suid": {before: "nosuid", lacks: "nosuid"},
	"nodev": {has: "nodev"}, "dev": {before: "nodev", lacks: "nodev"},
	"noexec": {has: "noexec"}, "exec": {before: "noexec", lacks: "noexec"},
	"sync": {has: "sync"}, "async": {before: "sync", lacks: "sync"}, "dirsync": {has: "dirsync"},
	"noatime": {has: "noatime"}, "atime": {before: "noatime", lacks: "noatime"},
	"nodiratime": {has: "nodiratime"}, "diratime": {before: "nodiratime", lacks: "nodiratime"},
	"relatime": {before: "noatime", has: "relatime"}, "norelatime": {before: "relatime", lacks: "noatime"},
	"strictatime": {lacks: "relatime"}, "nostrictatime": {before: "strictatime", has: "relatime"},
	"lazytime": {has: "lazytime"}, "nolazytime": {before: "lazytime", lacks: "lazytime"},
	"nosymfollow": {has: "nosymfollow"}, "symfollow": {before: "nosymfollow", lacks: "nosymfollow"},
	"iversion": {}, "noiversion": {}, "silent": {}, "loud": {}, "mand": {}, "nomand": {},

	"rro": {has: "ro"}, "rrw": {before: "rro", lacks: "ro"},
	"rnosuid": {has: "nosuid"}, "rsuid": {before: "rnosuid", lacks: "nosuid"},
	"rnodev": {has: "nodev"}, "rdev": {before: "rnodev", lacks: "nodev"},
	"rnoexec": {has: "noexec"}, "rexec": {before: "rnoexec", lacks: "noexec"},
	"rnoatime": {has: "noatime"}, "ratime": {before: "rnoatime", lacks: "noatime"},
	"rnodiratime": {has: "nodiratime"}, "rdiratime": {before: "rnodiratime", lacks: "nodiratime"},
	"rrelatime": {before: "rnoatime", has: "relatime"}, "rnorelatime": {before: "rrelatime", lacks: "noatime"},
	"rstrictatime": {lacks: "relatime"}, "rnostrictatime": {before: "rstrictatime", has: "relatime"},
	"rnosymfollow": {has: "nosymfollow"}, "rsymfollow": {before: "rnosymfollow", lacks: "nosymfollow"},

	"shared": {has: "shared:"}, "rshared": {has: "shared:"},
	"private": {before: "shared", lacks: "shared:"}, "rprivate": {before: "rshared", lacks: "shared:"},
	"slave": {before: "shared", lacks: "shared:"}, "rslave": {before: "rshared", lacks: "shared:"},
	"unbindable": {has: "unbindable"}, "runbindable": {has: "unbindable"},
}

// otherMountProofs are for options that say what is mounted.
var otherMountProofs = map[string]func(*testing.T, string){
	"bind": proveBind, "rbind": proveBind, "remount": proveRemount, "tmpcopyup": proveCopyUp, "copy-symlink": proveCopySymlink,
	"idmap": func(t *testing.T, _ string) { TestIDMappedBinds(t) }, "ridmap": func(t *testing.T, _ string) { TestIDMappedTree(t) },
}

// proveMountOptions mounts a tmpfs for each option, in one container, and compares what is in mountinfo.
func proveMountOptions(t *testing.T, names []string) {
	c := NewContainer(t, WritableRoot)
	for _, name := range names {
		proof, ok := mountProofs[name]
		if !ok {
			prove := otherMountProofs[name]
			if prove == nil {
				t.Errorf("no proof for the mount option %s", name)
				continue
			}
			t.Run(name, func(t *testing.T) { prove(t, name) })
			continue
		}
		c.Spec.Mounts = append(c.Spec.Mounts, specs.Mount{
			Destination: "/o/" + name, Type: "tmpfs", Source: "tmpfs", Options: append(strings.Fields(proof.before), name),
		})
	}
	c.WriteSpec(t)
	report := c.Report()
	for _, name := range names {
		if proof, ok := mountProofs[name]; ok {
			proof.check(t, name, mountAt(t, report, "/o/"+name))
		}
	}
}

func (p *mountProof) check(t *testing.T, name string, m view.Mount) {
	t.Helper()
	words := append(strings.Split(m.Options+","+m.Super, ","), m.Tags...)
	if p.lacks == "ro" {
		words = strings.Split(m.Options, ",")
	}
	has := func(word string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return w == word || strings.HasSuffix(word, ":") && strings.HasPrefix(w, word) })
	}
	if p.has != "" && !has(p.has) || p.lacks != "" && has(p.lacks) {
		t.Errorf("%s after %q: %+v", name, p.before, m)
	}
}

func proveBind(t *testing.T, option string) {
	dir := Dir(t)
	c := NewContainer(t, BindMount(dir, "/bound", option), Args("write", "/bound/x", "text"))
	c.Run().OK(t)
}

func proveRemount(t *testing.T, option string) {
	tmpfs := specs.Mount{Destination: "/x", Type: "tmpfs", Source: "tmpfs"}
	again := tmpfs
	again.Options = []string{option, "ro", "noexec"}
	report := NewContainer(t, WritableRoot, WithMount(tmpfs), WithMount(again)).Report()
	if m := mountAt(t, report, "/x"); !strings.HasPrefix(m.Options, "ro,noexec") {
		t.Errorf("after the remount: %+v", m)
	}
}

func proveCopyUp(t *testing.T, option string) {
	c := NewContainer(t, WithMount(specs.Mount{Destination: "/x", Type: "tmpfs", Source: "tmpfs", Options: []string{option}}), Args("read", "/x/file"))
	c.WriteFile(t, "x/file", "below", 0o644)
	if got := c.Run().OK(t).Stdout; got != "below" {
		t.Errorf("in the tmpfs: %q", got)
	}
}

func proveCopySymlink(t *testing.T, option string) {
	dir := Dir(t)
	b := &Bundle{RootFS: dir}
	b.Symlink(t, "elsewhere", "link")
	c := NewContainer(t, WritableRoot, BindMount(dir+"/link", "/copied", "bind", option), Args("stat", "/copied"))
	if got := c.Run().OK(t).Stdout; !strings.Contains(got, `"Link":"elsewhere"`) {
		t.Errorf("stat: %s", got)
	}
}
