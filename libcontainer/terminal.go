package libcontainer

import (
	"errors"
	"fmt"
	"os"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// consoleEnd is where the master of the container's terminal goes: through a socket to who asked for it, or, in
// a run in the foreground, through a pair of our own to us.
type consoleEnd struct {
	socket *os.File // for the init stage; nil without a terminal
	ours   int      // the other end of the pair; 0 for none
}

func (e *consoleEnd) file() *os.File { return e.socket }

var (
	errNeedsSocket  = errors.New("cannot allocate tty if tare will detach without setting console socket")
	errVainSocket   = errors.New("cannot use console socket if tare will not detach or allocate tty")
	errNoTerminalIn = errors.New("process.terminal (/process/terminal)")
)

func (c *creation) wantsTerminal() bool {
	return c.bundle.Spec.Process != nil && c.bundle.Spec.Process.Terminal
}

// checkTerminal refuses a terminal that nobody would show, and a socket that nothing would come through.
func (c *creation) checkTerminal() error {
	switch {
	case c.wantsTerminal() && c.foreground == nil && c.o.ConsoleSocket == "":
		return fmt.Errorf("%w: %w", errNoTerminalIn, errNeedsSocket)
	case c.o.ConsoleSocket != "" && (c.foreground != nil || !c.wantsTerminal()):
		return errVainSocket
	}
	return nil
}

func (c *creation) openConsole() error {
	if !c.wantsTerminal() {
		return nil
	}
	if c.o.ConsoleSocket != "" {
		fd, err := sys.ConnectUnix(c.o.ConsoleSocket)
		if err != nil {
			return fmt.Errorf("console socket: %w", err)
		}
		c.console.socket = os.NewFile(uintptr(fd), c.o.ConsoleSocket)
		return nil
	}
	ours, theirs, err := sys.Socketpair()
	if err != nil {
		return err
	}
	c.console = consoleEnd{socket: os.NewFile(uintptr(theirs), "console"), ours: ours}
	return nil
}

func (c *creation) closeConsole() error {
	if c.console.socket != nil {
		c.console.socket.Close()
	}
	if c.console.ours > 0 {
		unix.Close(c.console.ours)
	}
	c.console = consoleEnd{}
	return nil
}
