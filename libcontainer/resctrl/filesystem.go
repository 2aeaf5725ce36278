package resctrl

import (
	"bufio"
	"bytes"
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// fileSystem is what the kernel does with the files and directories of resctrl. Paths are relative to its root, which is ".".
type fileSystem interface {
	path() string
	mkdir(dir string) error
	rmdir(dir string) error
	read(file string) ([]byte, error)
	write(file, text string) error
	close()
}

// ErrNone says that there is no resctrl.
var ErrNone = errors.New("no resctrl file system is mounted (mount -t resctrl resctrl /sys/fs/resctrl): " +
	"does this machine have Intel RDT or AMD QoS, and the kernel CONFIG_X86_CPU_RESCTRL?")

// find opens the file system. Tests put another one in its place: nothing but such hardware has one.
var find = findMounted

const usualMount = "/sys/fs/resctrl"

func findMounted() (fileSystem, error) {
	if magic, err := sys.StatfsType(usualMount); err == nil && magic == unix.RDTGROUP_SUPER_MAGIC {
		return open(usualMount)
	}
	table, err := sys.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(table)); lines.Scan(); {
		mount, rest, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(mount)
		if kind, _, _ := strings.Cut(rest, " "); kind == "resctrl" && len(fields) > 4 && fields[3] == "/" {
			return open(unescape(fields[4]))
		}
	}
	return nil, ErrNone
}

// unescape gives back what proc_pid_mountinfo(5) writes as octal numbers.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// mounted is the kernel's. As a kernfs it wants what cgroups want: one write a value.
type mounted struct {
	at  string
	dir int
}

func open(path string) (fileSystem, error) {
	dir, err := sys.CgroupOpenMount(path)
	if err != nil {
		return nil, err
	}
	return &mounted{path, dir}, nil
}

func (m *mounted) path() string                     { return m.at }
func (m *mounted) mkdir(dir string) error           { return sys.CgroupMkdir(m.dir, dir) }
func (m *mounted) rmdir(dir string) error           { return sys.CgroupRmdir(m.dir, dir) }
func (m *mounted) read(file string) ([]byte, error) { return sys.CgroupRead(m.dir, file) }
func (m *mounted) write(file, text string) error    { return sys.CgroupWrite(m.dir, file, text) }
func (m *mounted) close()                           { sys.Close(m.dir) }
