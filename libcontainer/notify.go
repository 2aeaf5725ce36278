package libcontainer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"tare/internal/sys"
	"tare/libcontainer/state"

	"golang.org/x/sys/unix"
)

// notifier passes the readiness of a container on to the service manager of the host, by sd_notify(3): the
// container gets a socket of its own, as the manager would not believe a process that it does not know.
// A nil notifier does nothing.
type notifier struct {
	socket int    // ours, at notify.sock in the state directory
	host   string // the manager's
}

const (
	notifySocketName = "notify.sock"
	// barrierTimeout is how long the manager may take to have worked off what it was sent; sd_notify(3).
	barrierTimeout = 30_000
)

// listenNotify makes the container's socket, if it was created with one and whoever starts it has one.
func (c *Container) listenNotify() (*notifier, error) {
	host := os.Getenv("NOTIFY_SOCKET")
	if !c.state.Notify || host == "" {
		return nil, nil
	}
	return newNotifier(c.dir, host)
}

func newNotifier(dir *state.Dir, host string) (*notifier, error) {
	socket, err := sys.ListenUnixgram(dir.NotifyDir(), notifySocketName, 0o777)
	if err != nil {
		return nil, fmt.Errorf("notify socket: %w", err)
	}
	return &notifier{socket: socket, host: host}, nil
}

// Close closes the container's socket.
func (n *notifier) Close() {
	if n != nil {
		sys.Close(n.socket)
	}
}

// forward waits until the container says that it is ready, and tells the host. The end of the init process
// ends the wait.
func (n *notifier) forward(init, pid int) error {
	if n == nil {
		return nil
	}
	buf := make([]byte, 4096)
	fds := []unix.PollFd{{Fd: int32(n.socket), Events: unix.POLLIN}, {Fd: int32(init), Events: unix.POLLIN}}
	for {
		if _, err := sys.Poll(fds, -1); err != nil {
			return err
		}
		if fds[0].Revents == 0 {
			return nil
		}
		size, err := unix.Read(n.socket, buf)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("read", err)
		}
		for line := range bytes.Lines(buf[:max(size, 0)]) {
			if bytes.HasPrefix(line, []byte("READY=")) {
				return n.tell(bytes.TrimSpace(line), pid)
			}
		}
	}
}

// tell sends the host the line, who it is of, and waits until that was worked off.
func (n *notifier) tell(ready []byte, pid int) error {
	read, write, err := sys.Pipe()
	if err != nil {
		return err
	}
	defer sys.Close(read)
	err = sys.SendUnixgram(n.host, [][]byte{ready, strconv.AppendInt([]byte("MAINPID="), int64(pid), 10)}, -1)
	if err == nil {
		err = sys.SendUnixgram(n.host, [][]byte{[]byte("BARRIER=1")}, write)
	}
	sys.Close(write)
	if err != nil {
		return fmt.Errorf("notify %s: %w", n.host, err)
	}
	_, err = sys.Poll([]unix.PollFd{{Fd: int32(read), Events: unix.POLLIN}}, barrierTimeout)
	return err
}
