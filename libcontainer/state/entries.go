package state

import (
	"os"
	"path/filepath"
	"time"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// What is in the directory beside the state: where the init process and the host find the commands of later.

// MakeFifo makes the fifo that the init process waits at, for the owner that container root is on the host,
// and opens it with O_PATH. The caller closes it.
func (d *Dir) MakeFifo(uid, gid int) (*os.File, error) {
	if err := sys.MkfifoAt(d.f, fifoName, 0o622, uid, gid); err != nil {
		return nil, err
	}
	return sys.OpenAt(d.f, fifoName, unix.O_PATH|unix.O_NOFOLLOW)
}

// OpenFifo opens the fifo for reading, without waiting for the init process to come to it.
// fs.ErrNotExist says that the container was started.
func (d *Dir) OpenFifo() (*os.File, error) {
	return sys.OpenAt(d.f, fifoName, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW)
}

// HasFifo tells whether the container waits for its start.
func (d *Dir) HasFifo() bool { return sys.ExistsAt(d.f, fifoName) }

// RemoveFifo says that the container was started.
func (d *Dir) RemoveFifo() error { return sys.Unlinkat(int(d.f.Fd()), fifoName) }

// MakeStartSocket makes the socket at which the stage meets who starts it, to pass a listener on. The caller closes it.
func (d *Dir) MakeStartSocket() (*os.File, error) { return sys.ListenUnixAt(d.f, startName) }

// ConnectStart connects to that socket. The caller closes the descriptor.
func (d *Dir) ConnectStart(deadline time.Time) (int, error) {
	return sys.ConnectUnixAt(d.f, startName, deadline)
}

// MakeNotifyDir makes NotifyDir.
func (d *Dir) MakeNotifyDir() error { return sys.MakeDir(d.NotifyDir(), 0o755) }

// NotifyDir is the path of the directory that the container finds its sd_notify(3) socket in.
func (d *Dir) NotifyDir() string { return filepath.Join(d.Path(), notifyName) }

// PinNetwork keeps the container's network namespace, with the host's devices that come into it, from going with its last
// process, until UnpinNetwork or Remove.
func (d *Dir) PinNetwork(ns *os.File) error { return sys.PinNamespace(d.f, netnsName, ns) }

// PinnedNetwork opens that namespace. The caller closes it.
func (d *Dir) PinnedNetwork() (*os.File, error) { return sys.PinnedNamespace(d.f, netnsName) }

// UnpinNetwork lets it go.
func (d *Dir) UnpinNetwork() error { return sys.UnpinNamespace(d.f, netnsName) }
