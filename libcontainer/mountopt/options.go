package mountopt

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Flags are the options that change what is mounted, not how.
type Flags uint32

// The kernel's verbs and the runtime's own.
const (
	Bind        Flags = 1 << iota // bind, rbind
	Recursive                     // rbind
	Remount                       // remount: change the mount that is already there
	TmpCopyUp                     // tmpcopyup: fill a tmpfs from the directory it covers
	CopySymlink                   // copy-symlink: a bind source that is a link is made anew, not followed (crun's, Podman sets it)
	IDMap                         // idmap
	RIDMap                        // ridmap
)

// Super are flags of a filesystem, as fsconfig(2) names them.
type Super uint32

// The flags of a superblock that a filesystem context knows. There is none for iversion, which the kernel keeps as the filesystem
// needs it, nor for silent.
const (
	SuperReadOnly Super = 1 << iota // ro, rw
	SuperSync                       // sync, async
	SuperDirsync                    // dirsync
	SuperLazytime                   // lazytime, nolazytime
	SuperMand                       // mand, nomand; without effect since Linux 5.15
)

// SetNames are fsconfig's names of the flags in s.
func (s Super) SetNames() []string { return s.names("ro", "sync", "dirsync", "lazytime", "mand") }

// ClearNames are fsconfig's names of the opposites of the flags in s; dirsync has none.
func (s Super) ClearNames() []string { return s.names("rw", "async", "", "nolazytime", "nomand") }

func (s Super) names(all ...string) []string {
	var names []string
	for i, name := range all {
		if s&(1<<i) != 0 && name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Attrs is a change of mount attributes, as mount_setattr(2) takes it: MOUNT_ATTR_* masks. A bit is in one of the two at
// most, but for the access-time field, which is cleared as a whole whenever it is set.
type Attrs struct {
	Set, Clear uint64
}

// IsZero says that there is nothing to change.
func (a Attrs) IsZero() bool { return a == Attrs{} }

// Options is the meaning of a mount's list of options. Of two opposites the later one holds.
type Options struct {
	Flags       Flags
	Attrs       Attrs    // of the mount
	Recursive   Attrs    // of the mount and all below it (rro, ...)
	SuperSet    Super    // of a new or remounted filesystem
	SuperClear  Super    //
	Propagation []uint32 // MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE, each with or without MS_REC, in order
	Data        []Datum  // the filesystem's own options, in order
}

// Has says whether the options hold flag.
func (o *Options) Has(f Flags) bool { return o.Flags&f != 0 }

// IsBind says whether a mount of that type with these options mounts a part of the file system that exists. The type of such a mount means
// nothing, but "bind" alone says the same.
func (o *Options) IsBind(kind string) bool { return o.Has(Bind) || kind == "bind" }

// Datum is an option of a filesystem: key=value, or a key alone.
type Datum struct {
	Key      string
	Value    string
	HasValue bool
}

// String is the datum as mount(8) writes it.
func (d Datum) String() string {
	if d.HasValue {
		return d.Key + "=" + d.Value
	}
	return d.Key
}

// ErrOption is what Parse answers for an option that no system call could take.
var ErrOption = errors.New("malformed mount option")

// Parse gives a list of mount options its meaning. Empty ones mean nothing. It refuses an option with a NUL byte and one
// of the form "=value".
func Parse(list []string) (Options, error) {
	var o Options
	for i, name := range list {
		if known, ok := find(name); ok {
			o.apply(known)
			continue
		}
		for text := range splitData(name) {
			datum := Datum{Key: text}
			datum.Key, datum.Value, datum.HasValue = strings.Cut(text, "=")
			if datum.Key == "" || strings.IndexByte(text, 0) >= 0 {
				return Options{}, fmt.Errorf("options[%d] %q: %w", i, name, ErrOption)
			}
			datum.Value = unquote(datum.Value)
			o.Data = append(o.Data, datum)
		}
	}
	return o, nil
}

func (o *Options) apply(opt option) {
	arg := uint64(opt.arg)
	switch opt.act {
	case attrSet:
		o.Attrs.set(arg)
	case attrClear:
		o.Attrs.clear(arg)
	case attrAtime:
		o.Attrs.setAtime(arg)
	case attrNotAtime:
		o.Attrs.notAtime(arg)
	case recSet:
		o.Recursive.set(arg)
	case recClear:
		o.Recursive.clear(arg)
	case recAtime:
		o.Recursive.setAtime(arg)
	case recNotAtime:
		o.Recursive.notAtime(arg)
	case readOnly:
		o.Attrs.set(unix.MOUNT_ATTR_RDONLY)
		o.setSuper(SuperReadOnly)
	case readWrite:
		o.Attrs.clear(unix.MOUNT_ATTR_RDONLY)
		o.clearSuper(SuperReadOnly)
	case superSet:
		o.setSuper(Super(opt.arg))
	case superClear:
		o.clearSuper(Super(opt.arg))
	case propagation:
		o.Propagation = append(o.Propagation, opt.arg)
	case flag:
		o.Flags |= Flags(opt.arg)
	case defaults:
		o.applyDefaults()
	case nothing:
	}
}

// applyDefaults takes back what came before in the list, as mount(8) has it: rw, suid, dev, exec, async. It asks for nothing by itself: a
// bind mount with "defaults" keeps the flags of its source.
func (o *Options) applyDefaults() {
	const flags = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	o.Attrs.Set &^= flags
	o.SuperSet &^= SuperReadOnly | SuperSync
}

func (o *Options) setSuper(s Super)   { o.SuperSet, o.SuperClear = o.SuperSet|s, o.SuperClear&^s }
func (o *Options) clearSuper(s Super) { o.SuperSet, o.SuperClear = o.SuperSet&^s, o.SuperClear|s }

func (a *Attrs) set(bits uint64)   { a.Set, a.Clear = a.Set|bits, a.Clear&^bits }
func (a *Attrs) clear(bits uint64) { a.Set, a.Clear = a.Set&^bits, a.Clear|bits }

// setAtime gives the access-time field a value. The kernel wants the whole field cleared with it (EINVAL otherwise).
func (a *Attrs) setAtime(value uint64) {
	a.Set = a.Set&^unix.MOUNT_ATTR__ATIME | value
	a.Clear |= unix.MOUNT_ATTR__ATIME
}

// notAtime takes a value of the access-time field back, from this list and from the source of a bind mount: what is
// left is the kernel's default, relatime. Another value in the list stays, as it does with mount(2).
func (a *Attrs) notAtime(value uint64) {
	given := a.Clear&unix.MOUNT_ATTR__ATIME != 0
	if !given && value != unix.MOUNT_ATTR_RELATIME || given && a.Set&unix.MOUNT_ATTR__ATIME == value {
		a.setAtime(unix.MOUNT_ATTR_RELATIME)
	}
}

// splitData yields the parts of text, which commas divide as in a classic option string ("size=64k,mode=755"), but
// neither in double quotes (a SELinux context) nor behind a backslash (a path of overlay).
func splitData(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		start, quoted, escaped := 0, false, false
		for i := 0; i <= len(text); i++ {
			switch {
			case i == len(text) || text[i] == ',' && !quoted && !escaped:
				if i > start && !yield(text[start:i]) {
					return
				}
				start = i + 1
			case escaped:
				escaped = false
			case text[i] == '\\':
				escaped = true
			case text[i] == '"':
				quoted = !quoted
			}
		}
	}
}

func unquote(value string) string {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}
