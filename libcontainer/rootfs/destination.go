package rootfs

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/fsroot"
	"tare/internal/sys"
)

// kind is what a mount puts on its destination.
type kind int

const (
	dirMount  kind = iota // a directory
	fileMount             // something else, from a bind mount
	procMount             // a procfs, which may and should cover /proc
	sysMount              // a sysfs
)

// strict: procfs and sysfs go onto a real directory only. Through a link at the end of the path, they could be mounted elsewhere, and what
// the container finds at /proc would be the image's (CVE-2019-19921, CVE-2023-27561).
func (k kind) strict() bool { return k == procMount || k == sysMount }

// rootIdentity is which directory of which mount a descriptor refers to.
type rootIdentity struct {
	mount, ino uint64
}

// identify remembers what the root directory is.
func (r *Rootfs) identify() error {
	st, err := sys.Statx(r.root.FD())
	r.identity = identityOf(&st)
	return err
}

func identityOf(st *unix.Statx_t) rootIdentity { return rootIdentity{st.Mnt_id, st.Ino} }

// destination is where a mount goes.
type destination struct {
	path string // cleaned, absolute; for messages, and for the rules that the words of config.json are under
	fd   int    // O_PATH
	made bool   // it was not there before
	mode uint32 // of the directory that gets covered
}

func (d *destination) close() { sys.Close(d.fd) }

// destination opens where a mount of kind k goes, makes it when it is missing, and refuses what no mount may cover.
func (r *Rootfs) destination(unsafePath string, k kind) (destination, error) {
	d := destination{path: path.Clean("/" + unsafePath)}
	if err := RefusedDestination(d.path, k == procMount); err != nil {
		return d, err
	}
	linked := false
	var err error
	d.fd, err = r.root.OpenStrict(d.path)
	if errors.Is(err, unix.ELOOP) {
		linked = true
		d.fd, err = r.openLinked(d.path, k)
	}
	if errors.Is(err, unix.ENOENT) {
		d.made = true
		d.fd, err = r.makeDestination(d.path, k)
	}
	if err != nil {
		return d, err
	}
	if err := r.checkDestination(&d, k, linked); err != nil {
		d.close()
		return d, err
	}
	return d, nil
}

func (r *Rootfs) openLinked(unsafePath string, k kind) (int, error) {
	if !k.strict() {
		return r.root.Open(unsafePath)
	}
	fd, err := r.root.OpenNoFollow(unsafePath)
	if err != nil {
		return -1, err
	}
	st, err := sys.Fstat(fd)
	if err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		err = fmt.Errorf("%w: %s is a symbolic link", ErrRefused, unsafePath)
	}
	if err != nil {
		sys.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (r *Rootfs) makeDestination(unsafePath string, k kind) (int, error) {
	switch {
	case k == fileMount:
		return r.root.MakeFile(unsafePath, 0o644)
	case !k.strict():
		return r.root.MakeDir(unsafePath, 0o755)
	}
	dir, name, err := r.root.Parent(unsafePath)
	if err != nil {
		return -1, err
	}
	defer sys.Close(dir)
	if err := sys.Mkdirat(dir, name, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	fd, err := fsroot.OpenAt(dir, name, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, unix.ELOOP) { // a link to nowhere
		return -1, fmt.Errorf("%w: %s is a symbolic link", ErrRefused, unsafePath)
	}
	return fd, err
}

// checkDestination looks at what the path led to. Words are not enough: a link in the image can lead to "/" or into /proc.
func (r *Rootfs) checkDestination(d *destination, k kind, linked bool) error {
	st, err := sys.Statx(d.fd)
	if err != nil {
		return err
	}
	d.mode = uint32(st.Mode)
	isDir := d.mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case identityOf(&st) == r.identity:
		return fmt.Errorf("%w: %s is the root directory", ErrRefused, d.path)
	case k == fileMount && isDir:
		// The words that managers look for, both ways round. Docker takes "is a directory" for a command that cannot be executed.
		return fmt.Errorf("%w: the source is a file, its place in the container a directory", unix.ENOTDIR)
	case k != fileMount && !isDir:
		return unix.ENOTDIR
	}
	fs, err := sys.Fstatfs(d.fd)
	if err != nil {
		return err
	}
	switch {
	case fs.Type != unix.PROC_SUPER_MAGIC:
		return r.checkLinkedProc(d, &st, k, linked)
	case st.Ino == 1 && k == procMount:
		return nil
	case linked || !procAllowed(d.path):
		return fmt.Errorf("%w: %s lies in a procfs", ErrRefused, d.path)
	}
	return nil
}

// checkLinkedProc refuses a path that leads through a link to the directory /proc before a procfs is mounted there.
func (r *Rootfs) checkLinkedProc(d *destination, st *unix.Statx_t, k kind, linked bool) error {
	if !linked || k == procMount {
		return nil
	}
	fd, err := r.root.OpenNoFollow("/proc")
	if err != nil {
		return nil // no /proc that it could lead to
	}
	defer sys.Close(fd)
	proc, err := sys.Statx(fd)
	if err == nil && identityOf(&proc) == identityOf(st) {
		err = fmt.Errorf("%w: %s leads to /proc", ErrRefused, d.path)
	}
	return err
}

// checkProcPath refuses, by its words, a mount over /proc that is no procfs, and one in it that is not on the list: with a
// fake /proc, labels and other settings would go to files of the container's (CVE-2019-16884).
func checkProcPath(cleanPath string, k kind) error {
	switch {
	case cleanPath == "/proc" && k != procMount:
		return fmt.Errorf("%w: only a procfs may be mounted over /proc", ErrRefused)
	case strings.HasPrefix(cleanPath, "/proc/") && !procAllowed(cleanPath):
		return fmt.Errorf("%w: %s lies in /proc", ErrRefused, cleanPath)
	}
	return nil
}

// procAllowed says whether something may be mounted over cleanPath, an entry of /proc: what lxcfs gives a container its own
// figures with, and two settings that are files of their own.
func procAllowed(cleanPath string) bool {
	switch cleanPath {
	case "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg",
		"/proc/slabinfo", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled":
		return true
	}
	return false
}

// confirm checks that a strict mount is what its path leads to, after the fact: whoever shares the directory could have
// moved it away between our look-up and the mount.
func (r *Rootfs) confirm(d *destination, mount int) error {
	want, err := sys.Statx(mount)
	if err != nil {
		return err
	}
	fd, err := r.root.OpenNoFollow(d.path)
	if err != nil {
		return err
	}
	defer sys.Close(fd)
	got, err := sys.Statx(fd)
	if err == nil && got.Mnt_id != want.Mnt_id {
		err = fmt.Errorf("%w: %s was exchanged while it was mounted on (possible attack)", ErrRefused, d.path)
	}
	return err
}
