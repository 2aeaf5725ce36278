package libcontainer

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/attr"
	"tare/libcontainer/creds"
	"tare/libcontainer/lsm"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// What only the runtime may do for the init process: it has the host's privileges, and that one the container's.

// lendOOMScore takes on the container's OOM score, which the init process inherits, and returns what undoes
// that: the init process is non-dumpable and cannot write its own, and may not lower it.
func lendOOMScore(p *specs.Process) (restore func(), err error) {
	if p == nil || p.OOMScoreAdj == nil {
		return func() {}, nil
	}
	const path = "/proc/self/oom_score_adj"
	old, err := sys.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := sys.WriteFile(path, strconv.AppendInt(nil, int64(*p.OOMScoreAdj), 10)); err != nil {
		return nil, fmt.Errorf("process.oomScoreAdj (/process/oomScoreAdj): set to %d: %w: lowering it needs CAP_SYS_RESOURCE", *p.OOMScoreAdj, err)
	}
	return func() { _ = sys.WriteFile(path, bytes.TrimSpace(old)) }, nil
}

// raiseLimits raises the hard limits of the process pid that process.rlimits wants higher, and no others: a
// tight limit would end the init stage before the workload starts, so that one sets them itself, last of all.
func raiseLimits(pid int, p *specs.Process) error {
	if p == nil {
		return nil
	}
	for i, l := range p.Rlimits {
		resource, err := creds.RlimitAt(p, i)
		if err != nil {
			return err
		}
		soft, hard, err := sys.GetRlimit(pid, resource)
		if err != nil {
			return err
		}
		if l.Hard <= hard {
			continue
		}
		if err := sys.Prlimit(pid, resource, soft, l.Hard); err != nil {
			return fmt.Errorf("process.rlimits[%d] (/process/rlimits/%d): raise hard limit of %s from %d to %d: %w: that needs CAP_SYS_RESOURCE",
				i, i, l.Type, hard, l.Hard, err)
		}
	}
	return nil
}

// setIOPriority sets process.ioPriority for pid and what comes of it.
func setIOPriority(pid int, p *specs.Process) error {
	if p == nil || p.IOPriority == nil {
		return nil
	}
	return attr.SetIOPriority(pid, p.IOPriority)
}

// checkLabels refuses labels that nothing on this host would heed.
func checkLabels(p *specs.Process, mountLabel string) error {
	if mountLabel == "" && (p == nil || p.ApparmorProfile == "" && p.SelinuxLabel == "") {
		return nil
	}
	proc, err := procfs.Open()
	if err != nil {
		return err
	}
	defer proc.Close()
	return lsm.Check(proc, p, mountLabel)
}

// owner is who container root is on the host.
type owner struct{ uid, gid int }

// fifoOwner gives the fifo to container root, which opens it from inside.
func fifoOwner(spec *specs.Spec) owner {
	o := owner{os.Geteuid(), os.Getegid()}
	if spec.Linux == nil || o.uid != 0 {
		return o
	}
	if uid, ok := hostID(spec.Linux.UIDMappings); ok {
		o.uid = uid
	}
	if gid, ok := hostID(spec.Linux.GIDMappings); ok {
		o.gid = gid
	}
	return o
}

// hostID is what id 0 of the container is on the host.
func hostID(maps []specs.LinuxIDMapping) (int, bool) {
	for _, m := range maps {
		if m.ContainerID == 0 && m.Size > 0 {
			return int(m.HostID), true
		}
	}
	return 0, false
}

// rootless tells whether the caller is no root of the host: by what --rootless says, or by what it is.
func rootless(flag string) bool {
	switch flag {
	case "true":
		return true
	case "false":
		return false
	}
	return os.Geteuid() != 0 || procfs.InUserNS()
}
