package launch

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"tare/internal/sys"
	"tare/libcontainer/namespace"
	"tare/nsenter"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// namespaces says which namespaces the init stage gets: those to make, and those to join with their open
// files, which close closes.
type namespaces struct {
	new   uintptr
	join  []nsenter.Join
	files []*os.File
}

// newNamespaces opens what linux.namespaces names.
func newNamespaces(spec *specs.Spec) (ns *namespaces, err error) {
	ns = &namespaces{}
	if spec.Linux == nil {
		return ns, nil
	}
	for i, n := range spec.Linux.Namespaces {
		flag := namespace.KindOf(n.Type).Flag // the checks of the bundle have refused what is none
		if n.Path == "" {
			ns.new |= uintptr(flag)
			continue
		}
		if err := ns.open(n.Path, flag); err != nil {
			ns.close()
			return nil, fmt.Errorf("linux.namespaces[%d] (/linux/namespaces/%d): %w", i, i, err)
		}
	}
	return ns, nil
}

func (ns *namespaces) open(path string, flag int) error {
	fd, err := sys.Openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY) // whatever it may be
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), path)
	got, err := sys.NamespaceType(f)
	if err == nil && got != flag {
		err = fmt.Errorf("%s: is a %s namespace, want %s", path, namespace.TypeOf(got), namespace.TypeOf(flag))
	} else if errors.Is(err, unix.ENOTTY) {
		err = fmt.Errorf("%s: is no namespace", path)
	}
	if err != nil {
		f.Close()
		return err
	}
	if flag == unix.CLONE_NEWUSER && isOwnUserNS(f) {
		f.Close() // setns(2) refuses to enter again the user namespace one is in
		return nil
	}
	ns.files = append(ns.files, f)
	ns.join = append(ns.join, nsenter.Join{Type: flag, FD: int(f.Fd())})
	return nil
}

func isOwnUserNS(f *os.File) bool {
	var own unix.Stat_t
	st, err := sys.Fstat(int(f.Fd()))
	return err == nil && unix.Stat("/proc/self/ns/user", &own) == nil && own.Ino == st.Ino && own.Dev == st.Dev
}

func (ns *namespaces) close() {
	for _, f := range ns.files {
		f.Close()
	}
}

// late are the namespaces that the init stage makes itself. The root of a cgroup namespace is the cgroup of that moment,
// and the message queues' file system belongs to who made the IPC namespace: root of the host is nobody in a user namespace.
func (ns *namespaces) late() uintptr {
	if ns.has(unix.CLONE_NEWUSER) {
		return unix.CLONE_NEWCGROUP | unix.CLONE_NEWIPC
	}
	return unix.CLONE_NEWCGROUP
}

// has tells whether the init stage gets another namespace of that type than the runtime's, new or joined.
func (ns *namespaces) has(flag int) bool {
	return ns.new&uintptr(flag) != 0 || ns.joins(flag)
}

func (ns *namespaces) joins(flag int) bool { return ns.joined(flag) != nil }

// joined is the namespace of that type that is to be joined, or nil. It stays the list's.
func (ns *namespaces) joined(flag int) *os.File {
	for i, j := range ns.join {
		if j.Type == flag {
			return ns.files[i]
		}
	}
	return nil
}

// timeOffsets is the content of /proc/PID/timens_offsets for linux.timeOffsets; time_namespaces(7).
func timeOffsets(l *specs.Linux) (text []byte) {
	if l == nil {
		return nil
	}
	for _, clock := range []string{"monotonic", "boottime"} {
		if o, ok := l.TimeOffsets[clock]; ok {
			text = append(text, clock...)
			text = append(text, ' ')
			text = strconv.AppendInt(text, o.Secs, 10)
			text = append(text, ' ')
			text = strconv.AppendUint(text, uint64(o.Nanosecs), 10)
			text = append(text, '\n')
		}
	}
	return text
}
