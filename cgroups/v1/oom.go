package v1

import (
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"tare/cgroups/v2"
	"tare/internal/sys"
)

const oomControl = "memory.oom_control"

// OOMKills counts the processes that the kernel killed for want of memory (Linux 4.13).
func (g *Group) OOMKills() (uint64, error) {
	b, err := g.read(oomControl)
	if v2.Gone(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("count the OOM kills of cgroup %s: %w", g.dir("memory").Path(), v2.Errno(err))
	}
	return v2.FlatValue(b, "oom_kill"), nil
}

// OOMWatch tells when memory ran out, or the cgroup is gone.
type OOMWatch struct {
	dir     string
	event   int // eventfd
	control int // memory.oom_control
	count   uint64
}

// WatchOOM begins to watch, by an eventfd(2) that is handed to the kernel (Documentation/admin-guide/cgroup-v1/memory.rst).
func (g *Group) WatchOOM() (*OOMWatch, error) {
	d := g.dir("memory")
	if d == nil {
		return nil, v2.ErrNoMemory
	}
	w := &OOMWatch{dir: d.Path(), event: -1, control: -1}
	if err := w.open(); err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("watch cgroup %s for OOM kills: %w", w.dir, v2.Errno(err))
	}
	return w, nil
}

func (w *OOMWatch) open() (err error) {
	if w.control, err = sys.CgroupOpen(unix.AT_FDCWD, w.dir+"/"+oomControl, unix.O_RDONLY); err != nil {
		return err
	}
	if w.event, err = sys.Eventfd(); err != nil {
		return err
	}
	request := fmt.Sprintf("%d %d", w.event, w.control)
	if err := sys.CgroupWrite(unix.AT_FDCWD, w.dir+"/cgroup.event_control", request); err != nil {
		return err
	}
	w.count, err = w.kills()
	return err
}

// FD is the descriptor to poll(2) for POLLIN. It belongs to the OOMWatch.
func (w *OOMWatch) FD() int { return w.event }

// Kills is the count now; FD is quiet until the next change. The kernel tells that memory ran out before it has killed somebody
// for it: so the count is one more already when it tells. Where the killer is turned off (memory.disableOOMKiller), it counts the
// times that memory ran out.
func (w *OOMWatch) Kills() (uint64, error) {
	told, err := sys.EventfdTake(w.event) // first, so that what happens after the count makes FD ready again
	if err != nil {
		return 0, fmt.Errorf("watch cgroup %s for OOM kills: %w", w.dir, err)
	}
	counted, err := w.kills()
	if v2.Gone(err) {
		return 0, fmt.Errorf("cgroup %s: %w", w.dir, fs.ErrNotExist)
	}
	if err != nil {
		return 0, fmt.Errorf("count the OOM kills of cgroup %s: %w", w.dir, v2.Errno(err))
	}
	if told > 0 {
		w.count++
	}
	w.count = max(w.count, counted)
	return w.count, nil
}

func (w *OOMWatch) kills() (uint64, error) {
	var buf [256]byte
	n, err := sys.CgroupEvents(w.control, buf[:])
	return v2.FlatValue(buf[:n], "oom_kill"), err
}

// Close ends the watch.
func (w *OOMWatch) Close() error {
	for _, fd := range []*int{&w.event, &w.control} {
		if *fd >= 0 {
			sys.Close(*fd)
		}
		*fd = -1
	}
	return nil
}
