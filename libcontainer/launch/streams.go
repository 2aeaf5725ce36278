package launch

import (
	"tare/internal/procfs"
	"tare/libcontainer/console"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// ownStreams gives the standard streams to the process's user where the stage pid itself may not: in a user namespace that does not have the
// ids of the pipes.
func ownStreams(proc *procfs.Handle, pid int, process *specs.Process) error {
	if process == nil || process.Terminal || !mayMapIDs() {
		return nil
	}
	maps, err := proc.UIDMap(pid)
	if err != nil {
		return err
	}
	if uid, ok := maps.Outside(process.User.UID); ok {
		return console.OwnStreams(int(uid))
	}
	return nil
}
