package attr

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// include/uapi/linux/ioprio.h
var ioClasses = table{
	{"IOPRIO_CLASS_RT", 1},
	{"IOPRIO_CLASS_BE", 2},
	{"IOPRIO_CLASS_IDLE", 3},
}

// IOClasses are the classes of I/O priority.
func IOClasses() []string { return ioClasses.names() }

// SetIOPriority gives the thread pid what process.ioPriority says; the processes that come of it have the same.
func SetIOPriority(pid int, p *specs.LinuxIOPriority) error {
	err := sys.SetIOPriority(pid, int(ioClasses.number(string(p.Class))), p.Priority)
	if err == nil {
		return nil
	}
	hint := ""
	if errors.Is(err, unix.EPERM) {
		hint = ": the real-time class needs CAP_SYS_NICE or CAP_SYS_ADMIN over the host"
	}
	return fmt.Errorf("process.ioPriority (/process/ioPriority): %s %d: %w%s", p.Class, p.Priority, err, hint)
}
