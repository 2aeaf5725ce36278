package proto

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ExecError explains a refused execve(2).
func ExecError(name string, errno error) error {
	switch {
	case errors.Is(errno, unix.ENOEXEC):
		return fmt.Errorf("exec: %q: %w: is it a program for another architecture, or a script without #!?", name, errno)
	case errors.Is(errno, unix.ENOSYS):
		return fmt.Errorf("exec: %q: %w: has the seccomp agent ended that answers execve?", name, errno)
	case errors.Is(errno, unix.ENOENT):
		return fmt.Errorf("exec: %q: %w: its interpreter or loader is missing in the root file system", name, errno)
	}
	return fmt.Errorf("exec: %q: %w", name, errno)
}
