package libcontainer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tare/cgroups"
	"tare/internal/document"
	"tare/internal/fsroot"
	"tare/internal/sys"
	"tare/libcontainer/criu"
	"tare/libcontainer/mountopt"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// snapshot is what a restore has to know beside CRIU's images: which of the container's resources were the host's. It says only what they
// were for the container; what takes their place, the new container's config and caller say.
type snapshot struct {
	Descriptors []string `json:"descriptors"` // the state's Streams
	Mounts      []bound  `json:"mounts"`
	// Places are the mount points in the root file system itself, links resolved.
	Places []string `json:"places"`
}

// bound is a mount of the host's in the container.
type bound struct {
	Path  string `json:"path"`  // in the container, links resolved
	Mount int    `json:"mount"` // index of the config's mount that it comes with
	Below string `json:"below"` // relative to that mount's source
}

// snapshotName is the snapshot's place among the images.
const snapshotName = "tare.json"

// dump has the snapshot written when CRIU begins: once it is done the processes are gone, and before, the directory may have an earlier checkpoint.
// Without images it would be taken for one.
func (cp *checkpoint) dump() error {
	begun := false
	err := criu.Dump(&cp.criu, func(e criu.Event) error {
		sys.Close(e.FD) // -1 does no harm
		if begun {
			return nil
		}
		begun = true
		return sys.ReplaceFileAt(cp.criu.Images, snapshotName, document.Encode(&cp.snapshot), 0o600)
	})
	if err != nil && begun {
		if unlinkErr := sys.Unlinkat(int(cp.criu.Images.Fd()), snapshotName); !errors.Is(unlinkErr, unix.ENOENT) {
			err = also(err, unlinkErr)
		}
	}
	return err
}

func loadSnapshot(images *os.File) (s snapshot, err error) {
	f, err := sys.OpenAt(images, snapshotName, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK) // a fifo's writer is not waited for
	if err != nil {
		return s, fmt.Errorf("image directory: %w: was it written by tare checkpoint?", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return s, errors.Join(err, fmt.Errorf("image directory: %s is no regular file", f.Name()))
	}
	raw, err := io.ReadAll(f)
	if err == nil {
		err = document.Decode(raw, &s)
	}
	if err != nil {
		return s, &os.PathError{Op: "decode", Path: f.Name(), Err: err}
	}
	return s, nil
}

// look finds the mounts and standard streams that are the host's, and has CRIU leave them out.
func (cp *checkpoint) look() error {
	mounts, err := cp.mountTable()
	if err != nil {
		return err
	}
	if err := cp.lookAtMounts(mounts); err != nil {
		return err
	}
	for _, b := range cp.snapshot.Mounts {
		cp.criu.External = append(cp.criu.External, "mnt["+b.Path+"]:"+b.Path)
	}
	// Not what they are by now: a shell that has put a pipe of its own in their place keeps that, and what it has moved away is found.
	cp.snapshot.Descriptors = cp.container.state.Streams
	for _, name := range cp.snapshot.Descriptors {
		if strings.HasPrefix(name, "file[") && !slices.Contains(cp.criu.External, name) {
			cp.criu.External = append(cp.criu.External, name)
		}
	}
	return nil
}

// behind opens what a magic link of the init process's leads to. The caller closes it.
func (cp *checkpoint) behind(link string) (int, error) {
	return sys.Openat(int(cp.proc.File().Fd()), strconv.Itoa(cp.container.state.InitPid)+"/"+link, unix.O_PATH)
}

// mountTable is the container's.
func (cp *checkpoint) mountTable() ([]*mountinfo.Info, error) {
	f, err := cp.proc.Open(strconv.Itoa(cp.container.state.InitPid)+"/mountinfo", unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return mountinfo.GetMountsFromReader(f, nil)
}

// lookAtMounts finds what the config's bind mounts have brought. A mount belongs to the one of the config's whose destination
// it is at or nearest below. What tare itself has put over paths of it, to mask them, CRIU makes again.
func (cp *checkpoint) lookAtMounts(mounts []*mountinfo.Info) error {
	fd, err := cp.behind("root")
	if err != nil {
		return err
	}
	root := fsroot.New(fd)
	defer root.Close()
	own := make([]string, len(cp.spec.Mounts))
	for i := range cp.spec.Mounts {
		if own[i], err = resolved(root, cp.spec.Mounts[i].Destination); err != nil {
			return fmt.Errorf("mounts[%d].destination (/mounts/%d/destination): %w", i, i, err)
		}
	}
	cp.snapshot.Places = places(mounts)
	masks := slices.Concat(cp.spec.Linux.MaskedPaths, cp.spec.Linux.ReadonlyPaths)
	for _, m := range mounts {
		i := nearest(own, m.Mountpoint)
		if i < 0 || slices.Contains(masks, m.Mountpoint) || !isBind(&cp.spec.Mounts[i]) {
			continue
		}
		if strings.Contains(m.Mountpoint, endOfPath) {
			return fmt.Errorf("the mount at %q: CRIU could not tell its path from what stands for it", m.Mountpoint)
		}
		cp.snapshot.Mounts = append(cp.snapshot.Mounts, bound{Path: m.Mountpoint, Mount: i, Below: strings.TrimPrefix(m.Mountpoint[len(own[i]):], "/")})
	}
	return nil
}

// places are the mount points that are in the root file system and not in a mount on it.
func places(mounts []*mountinfo.Info) (all []string) {
	roots := make(map[int]bool)
	for _, m := range mounts {
		if m.Mountpoint == "/" {
			roots[m.ID] = true
		}
	}
	for _, m := range mounts {
		if roots[m.Parent] && !roots[m.ID] {
			all = append(all, m.Mountpoint)
		}
	}
	return all
}

// endOfPath is where, for CRIU, the path of a mount ends and what stands for it begins. A container may have made a directory that is called so.
const endOfPath = "]:"

func isBind(m *specs.Mount) bool {
	opts, err := mountopt.Parse(m.Options)
	return err == nil && opts.IsBind(m.Type) && !opts.Has(mountopt.Remount)
}

// nearest is the index of the last of the longest of paths that p is at or below; -1 for none.
func nearest(paths []string, p string) int {
	best := -1
	for i, q := range paths {
		if (p == q || strings.HasPrefix(p, strings.TrimSuffix(q, "/")+"/")) && (best < 0 || len(q) >= len(paths[best])) {
			best = i
		}
	}
	return best
}

// resolved is a path of the container's with its links resolved.
func resolved(root *fsroot.Root, unsafePath string) (string, error) {
	fd, err := root.Open(unsafePath)
	if err != nil {
		return "", err
	}
	defer sys.Close(fd)
	return sys.Readlinkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd))
}

// freezer is the directory that freezes the container's processes.
func freezer(s *cgroups.State) string {
	for i := range s.V1 {
		if slices.Contains(s.V1[i].Controllers, "freezer") {
			return s.V1[i].Path()
		}
	}
	return s.Path
}

// sources gives CRIU what stands for the mounts of a snapshot, by the config. The snapshot may name any place below a source, but none outside.
func (s *snapshot) sources(spec *specs.Spec, bundleDir string) (external []string, err error) {
	for _, b := range s.Mounts {
		if b.Mount < 0 || b.Mount >= len(spec.Mounts) || !isBind(&spec.Mounts[b.Mount]) {
			return nil, fmt.Errorf("the mount at %s was one of the host's: config.json has no bind mount /mounts/%d for it", b.Path, b.Mount)
		}
		if strings.Contains(b.Path, endOfPath) {
			return nil, fmt.Errorf("%s: mount at %q: CRIU could not tell its path from what stands for it", snapshotName, b.Path)
		}
		if b.Below != "" && !filepath.IsLocal(b.Below) {
			return nil, fmt.Errorf("%s: mount at %s: %q is no path below its source", snapshotName, b.Path, b.Below)
		}
		source := spec.Mounts[b.Mount].Source
		if !filepath.IsAbs(source) {
			source = filepath.Join(bundleDir, source)
		}
		if err := findBelow(source, b.Below); err != nil {
			return nil, fmt.Errorf("the mount at %s was one of the host's, below the source of mounts[%d] (/mounts/%d): %w", b.Path, b.Mount, b.Mount, err)
		}
		external = append(external, "mnt["+b.Path+"]:"+path.Join(source, b.Below))
	}
	return external, nil
}

// findBelow demands a file below a source, and no link on the way, which CRIU would follow: containers can write there.
func findBelow(source, below string) error {
	if below == "" {
		return nil
	}
	fd, err := sys.Openat(unix.AT_FDCWD, source, unix.O_PATH)
	if err != nil {
		return err
	}
	root := fsroot.New(fd)
	defer root.Close()
	found, err := root.OpenStrict(below)
	if err == nil {
		sys.Close(found)
	}
	return err
}

// checkPlaces refuses a root file system in which there is a link on the way to a mount point. There was none when the path was written down, and CRIU
// goes by it, in a mount namespace where such a link leads to the host's programs: a volume would be mounted over them.
func (s *snapshot) checkPlaces(root *fsroot.Root) error {
	for _, p := range s.Places {
		fd, err := root.OpenStrict(p)
		if errors.Is(err, unix.ELOOP) {
			return fmt.Errorf("the root file system has a link on the way to the mount point %s that was none at the checkpoint: %w", p, err)
		}
		if err == nil {
			sys.Close(fd)
		}
	}
	return nil
}

// streams gives CRIU our standard streams for those of the snapshot.
func (s *snapshot) streams() (all []criu.Inherited, err error) {
	for fd, key := range s.Descriptors {
		if key == "" || fd > 2 {
			continue
		}
		own, err := sys.Dup(fd)
		if err != nil {
			return all, err
		}
		all = append(all, criu.Inherited{Key: key, File: os.NewFile(uintptr(own), key)})
	}
	return all, nil
}
