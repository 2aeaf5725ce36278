package rootfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"tare/internal/procfs"
	"tare/internal/sys"
)

// makeLinks makes the links of /dev, by its descriptor: as names in a path they once went through a link called /dev (CVE-2026-41579).
func (r *Rootfs) makeLinks(dev int) error {
	if err := makePtmx(dev); err != nil {
		return fmt.Errorf("link /dev/ptmx: %w", err)
	}
	proc, err := r.root.OpenNoFollow("/proc")
	if err != nil {
		return nil // nothing that the others could lead to
	}
	defer sys.Close(proc)
	if isProc, err := procfs.IsRoot(proc); err != nil || !isProc {
		return err
	}
	links := [...]struct{ name, target string }{
		{"fd", "/proc/self/fd"},
		{"stdin", "/proc/self/fd/0"},
		{"stdout", "/proc/self/fd/1"},
		{"stderr", "/proc/self/fd/2"},
		{"core", "/proc/kcore"},
	}
	n := len(links)
	kcore, err := r.root.OpenStrict("/proc/kcore")
	if err != nil {
		n-- // not in every kernel
	} else {
		sys.Close(kcore)
	}
	for _, l := range links[:n] {
		// What the image has there is the image's choice: a container's log is often a file called /dev/stdout.
		if err := sys.Symlinkat(l.target, dev, l.name); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("link /dev/%s: %w", l.name, err)
		}
	}
	return nil
}

// makePtmx makes /dev/ptmx lead to the container's own devpts. A node 5:2 does so by itself: the kernel looks for "pts" beside it.
func makePtmx(dev int) error {
	const target = "pts/ptmx"
	err := sys.Symlinkat(target, dev, "ptmx")
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	if text, err := sys.Readlinkat(dev, "ptmx"); err == nil && (text == target || text == "/dev/"+target) {
		return nil
	}
	fd, err := sys.Openat(dev, "ptmx", unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer sys.Close(fd)
	st, err := sys.Statx(fd)
	if err != nil {
		return err
	}
	ptmx := device{kind: unix.S_IFCHR, rdev: unix.Mkdev(5, 2)}
	if ptmx.is(&st) {
		return nil
	}
	// A file, or a link to some other place: it would break every terminal of the container. By its directory's
	// descriptor nothing but this name can go.
	if err := sys.Unlinkat(dev, "ptmx"); err != nil {
		return err
	}
	return sys.Symlinkat(target, dev, "ptmx")
}
