package console

import (
	"errors"
	"io"
	"os"
	"time"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// Proxy copies between the caller's terminal and a container's, for a run in the foreground.
type Proxy struct {
	master  *os.File
	restore func()
	done    chan struct{}
}

// NewProxy takes over the master. If standard input is a terminal, it becomes raw and lends its size.
func NewProxy(master int) (*Proxy, error) {
	p := &Proxy{master: os.NewFile(uintptr(master), "terminal"), restore: func() {}, done: make(chan struct{})}
	if !sys.IsTerminal(0) {
		return p, nil
	}
	if err := sys.CopyWinsize(0, master); err != nil {
		return nil, err
	}
	restore, err := sys.MakeRaw(0)
	if err != nil {
		return nil, err
	}
	p.restore = restore
	return p, nil
}

// Start starts to copy.
func (p *Proxy) Start() {
	go func() {
		_, _ = io.Copy(p.master, os.Stdin)
		if !sys.IsTerminal(0) {
			_, _ = p.master.Write([]byte{4}) // end of file, as a person would type it
		}
	}()
	go func() {
		defer close(p.done)
		// EIO is the end: no slave is open any more. If it is our output that cannot be written, the terminal is
		// hung up (SIGHUP), or the workload would wait for ever with what nobody reads.
		_, _ = io.Copy(os.Stdout, p.master)
		p.master.Close()
	}()
}

// Resize gives the container's terminal the size of the caller's.
func (p *Proxy) Resize() error {
	err := sys.CopyWinsize(0, int(p.master.Fd()))
	if errors.Is(err, unix.ENOTTY) {
		return nil
	}
	return err
}

// drainTime is how long the rest of the output is waited for: what the workload left behind may hold the terminal open.
const drainTime = 2 * time.Second

// Finish waits for the rest of the output once the workload has ended, and gives the caller's terminal back
// as it was.
func (p *Proxy) Finish() {
	select {
	case <-p.done:
	case <-time.After(drainTime):
	}
	p.restore()
}
