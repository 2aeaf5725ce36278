package v2

import specs "github.com/opencontainers/runtime-spec/specs-go"

// What package v1 has in common with this one. It goes when that one goes.

// Number is the value of a file that holds one.
func Number(b []byte) uint64 { return number(b) }

// Flat reads a file of "key number" lines.
func Flat(file []byte) map[string]uint64 { return flat(file) }

// FlatValue is the number of one key of such a file.
func FlatValue(file []byte, key string) uint64 { return flatValue(file, key) }

// Device reads "major:minor".
func Device(name string) (major, minor uint64, ok bool) { return device(name) }

// List reads a list of CPUs or memory nodes.
func List(b []byte) []uint16 { return list(b) }

// PageSizes lists the sizes of huge pages as names of files have them.
func PageSizes() []string { return pageSizes() }

// PidsBelow lists the processes of the cgroup with that directory and of those below it.
func PidsBelow(fd int) ([]int, error) { return pidsBelow(fd) }

// RemoveBelow removes all cgroups below the one with that directory.
func RemoveBelow(fd int) error { return removeBelow(fd) }

// WalkBelow calls enter for the cgroup with that directory and for each below it, and leave for those below when their turn is
// over.
func WalkBelow(fd int, enter func(fd int) error, leave func(parent int, name string) error) error {
	return walkBelow(fd, enter, leave)
}

// Gone says that an error is about a cgroup, or a file of it, that is not there.
func Gone(err error) bool { return gone(err) }

// Denied says that an error is about a cgroup that is not ours to write.
func Denied(err error) bool { return denied(err) }

// Errno takes the errno out of an error that names only a part of the path.
func Errno(err error) error { return errno(err) }

// Hint is the usual cause of an error of writing s.
func Hint(s Setting, err error) string { return writeHint(s, err) }

// NoSwap says that the kernel was built without swap.
func NoSwap() bool { return noSwap() }

// RDMA translates linux.resources.rdma.
func RDMA(out []Setting, devices map[string]specs.LinuxRdma) ([]Setting, error) {
	return rdma(out, devices)
}

// Bytes is a number of bytes of the config: 0 unset, -1 unlimited.
func Bytes(v *int64, pointer string) (int64, error) { return bytesOf(v, pointer) }

// Pids translates linux.resources.pids.
func Pids(out []Setting, p *specs.LinuxPids) ([]Setting, error) { return pids(out, p) }
