package libcontainer

import (
	"errors"
	"fmt"
	"os"

	"tare/internal/sys"
)

// consoleEnd is where the master of a terminal goes: through a socket to who asked for it, or, in
// a run in the foreground, through a pair of our own to us.
type consoleEnd struct {
	socket *os.File // for the init stage; nil without a terminal
	ours   int      // the other end of the pair; 0 for none
}

func (e *consoleEnd) file() *os.File { return e.socket }

func (c *creation) wantsTerminal() bool {
	return c.bundle.Spec.Process != nil && c.bundle.Spec.Process.Terminal
}

func (c *creation) checkTerminal() error {
	return checkTerminal(c.wantsTerminal(), c.foreground != nil, c.o.ConsoleSocket)
}

// checkTerminal refuses a terminal that nobody would show, and a socket that nothing would come through.
func checkTerminal(wanted, foreground bool, socket string) error {
	switch {
	case wanted && !foreground && socket == "":
		return errors.New("process.terminal (/process/terminal): cannot allocate tty if tare will detach without setting " +
			"console socket: give --console-socket, or set it to false")
	case socket != "" && foreground:
		return errors.New("--console-socket: cannot use console socket if tare will not detach or allocate tty: give --detach, too")
	case socket != "" && !wanted:
		return errors.New("--console-socket: cannot use console socket if tare will not detach or allocate tty: " +
			"process.terminal (/process/terminal) is false")
	}
	return nil
}

func (c *creation) openConsole() error {
	if !c.wantsTerminal() {
		return nil
	}
	return c.console.open(c.o.ConsoleSocket)
}

// open connects to the socket, or makes a pair if there is none.
func (e *consoleEnd) open(socket string) error {
	if socket != "" {
		fd, err := sys.ConnectUnix(socket)
		if err != nil {
			return fmt.Errorf("console socket: %w", err)
		}
		e.socket = os.NewFile(uintptr(fd), socket)
		return nil
	}
	ours, theirs, err := sys.Socketpair()
	if err != nil {
		return err
	}
	*e = consoleEnd{socket: os.NewFile(uintptr(theirs), "console"), ours: ours}
	return nil
}

func (c *creation) closeConsole() error {
	c.console.close()
	return nil
}

func (e *consoleEnd) close() {
	if e.socket != nil {
		e.socket.Close()
	}
	if e.ours > 0 {
		sys.Close(e.ours)
	}
	*e = consoleEnd{}
}
