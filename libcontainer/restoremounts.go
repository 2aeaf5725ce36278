package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tare/internal/fsroot"
	"tare/internal/sys"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// makeMountPoints makes, in a root file system that is not the one of the checkpoint, what the mounts go onto. CRIU goes by path: where there is
// a link now that was none, somebody has put it there meanwhile.
func (r *restoration) makeMountPoints() error {
	fd, err := sys.Openat(unix.AT_FDCWD, r.bundle.Rootfs, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("root.path (/root/path): %w", err)
	}
	root := fsroot.New(fd)
	defer root.Close()
	for i := range r.bundle.Spec.Mounts {
		m := &r.bundle.Spec.Mounts[i]
		if below(r.bundle.Spec, i) {
			continue
		}
		if err := makeMountPoint(root, m, r.bundle.Dir); err != nil {
			return fmt.Errorf("mounts[%d].destination (/mounts/%d/destination): %w", i, i, err)
		}
	}
	return r.snapshot.checkPlaces(root)
}

// below tells whether a mount goes onto an earlier one, and not onto the root file system.
func below(spec *specs.Spec, i int) bool {
	for _, earlier := range spec.Mounts[:i] {
		if strings.HasPrefix(filepath.Clean(spec.Mounts[i].Destination), filepath.Clean(earlier.Destination)+"/") {
			return true
		}
	}
	return false
}

func makeMountPoint(root *fsroot.Root, m *specs.Mount, bundleDir string) error {
	fd, err := root.Open(m.Destination)
	if !errors.Is(err, unix.ENOENT) {
		sys.Close(fd)
		return err
	}
	source := m.Source
	if !filepath.IsAbs(source) {
		source = filepath.Join(bundleDir, source)
	}
	if info, statErr := os.Stat(source); isBind(m) && statErr == nil && !info.IsDir() {
		fd, err = root.MakeFile(m.Destination, 0o644)
	} else {
		fd, err = root.MakeDir(m.Destination, 0o755)
	}
	if err == nil {
		sys.Close(fd)
	}
	return err
}

// detachMounts gives the calling thread a mount namespace in which the root file system is a mount of its own: CRIU wants it to be one, and the
// host is to see nothing of it. It stays a slave of the host's mount: by it CRIU has the container's root hear of the host's mounts as before.
func (r *restoration) detachMounts() error {
	err := sys.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS)
	if err == nil {
		err = sys.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "")
	}
	if err == nil {
		err = sys.Mount(r.bundle.Rootfs, r.bundle.Rootfs, "", unix.MS_BIND|unix.MS_REC, "")
	}
	if err != nil {
		return fmt.Errorf("the root file system: %w", err)
	}
	return r.reopen()
}

// reopen opens the directories that CRIU works in once more, by the mounts of its own namespace: it mounts below them.
func (r *restoration) reopen() error {
	for _, dir := range []**os.File{&r.criu.Images, &r.criu.Work} {
		own, err := openDir((*dir).Name())
		if err != nil {
			return err
		}
		(*dir).Close()
		*dir = own
	}
	return nil
}
