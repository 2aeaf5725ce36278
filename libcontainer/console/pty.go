package console

import (
	"errors"
	"fmt"
	"os"

	"tare/internal/fsroot"
	"tare/internal/procfs"
	"tare/internal/sys"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Pty is a pseudo-terminal of the container's devpts.
type Pty struct {
	Master, Slave *os.File
}

// errNoDevpts says what is missing for a terminal.
var errNoDevpts = errors.New("no devpts there: process.terminal (/process/terminal) needs a mount of type devpts on /dev/pts")

// ptmxMajor and ptmxMinor are the device of every ptmx node.
const (
	ptmxMajor = 5
	ptmxMinor = 2
)

// Open makes a pseudo-terminal from the devpts that is mounted at /dev/pts of root. Nothing there is believed
// by its name: the image, or a container that shares the volume, may have put other files in its place
// (CVE-2025-52565).
func Open(root *fsroot.Root, proc *procfs.Handle) (*Pty, error) {
	fd, err := root.OpenNoFollow("/dev/pts/ptmx")
	if errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("/dev/pts/ptmx: %w", errNoDevpts)
	}
	if err != nil {
		return nil, err
	}
	defer sys.Close(fd)
	if err := verifyPtmx(fd); err != nil {
		return nil, fmt.Errorf("/dev/pts/ptmx: %w", err)
	}
	master, err := proc.ReopenFD(fd, unix.O_RDWR|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	slave, err := sys.PtyPeer(int(master.Fd()))
	if err != nil {
		master.Close()
		return nil, err
	}
	return &Pty{Master: master, Slave: slave}, nil
}

func verifyPtmx(fd int) error {
	fs, err := sys.Fstatfs(fd)
	if err != nil {
		return err
	}
	st, err := sys.Fstat(fd)
	if err != nil {
		return err
	}
	if fs.Type != unix.DEVPTS_SUPER_MAGIC || st.Mode&unix.S_IFMT != unix.S_IFCHR ||
		unix.Major(st.Rdev) != ptmxMajor || unix.Minor(st.Rdev) != ptmxMinor {
		return errNoDevpts
	}
	return nil
}

// Setup gives the terminal its size, if one is asked for, and its owner.
func (p *Pty) Setup(size *specs.Box, uid uint32) error {
	if size != nil && size.Height != 0 && size.Width != 0 {
		if err := sys.SetWinsize(int(p.Master.Fd()), size.Height, size.Width); err != nil {
			return fmt.Errorf("process.consoleSize (/process/consoleSize): %w", err)
		}
	}
	// By the descriptor that the kernel gave: a name in /dev/pts may be anything by now.
	if err := sys.Fchown(int(p.Slave.Fd()), int(uid), -1); err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("give the terminal to uid %d: %w", uid, err)
	}
	return nil
}

// Send sends the master through the socket, to whom the terminal is shown, and closes it here.
func (p *Pty) Send(socket int) error {
	defer p.Master.Close()
	if err := sys.SendFD(socket, int(p.Master.Fd()), "/dev/ptmx"); err != nil {
		return fmt.Errorf("send the terminal: %w", err)
	}
	return nil
}

// Control makes the terminal the controlling one of the calling session leader, and its standard input,
// output and error.
func (p *Pty) Control() error {
	if err := sys.SetControllingTerminal(int(p.Slave.Fd())); err != nil {
		p.Slave.Close()
		return err
	}
	return p.Streams()
}

// Streams makes the terminal standard input, output and error.
func (p *Pty) Streams() error {
	defer p.Slave.Close()
	for fd := range 3 {
		if err := sys.Dup3(int(p.Slave.Fd()), fd); err != nil {
			return err
		}
	}
	return nil
}
