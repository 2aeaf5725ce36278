// Package keyring gives a container a session keyring of its own, so that the keys of whoever called the
// runtime cannot be read inside. It imports internal/sys alone.
package keyring

import (
	"errors"
	"fmt"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// perm lets who possesses the keyring do everything, and its user view, read and search it: a process that is
// executed in the container later finds it by its name. keyctl_setperm(3).
const perm = 0x3f0b0000

// Join makes the session keyring of container id that of the calling thread. A kernel without keyrings has
// none to hide.
func Join(id string) error {
	ring, err := sys.JoinSessionKeyring("_ses." + id)
	switch {
	case errors.Is(err, unix.ENOSYS):
		return nil
	case errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("session keyring: %w: kernel.keys.maxkeys or root_maxkeys is reached; --no-new-keyring does without", err)
	case err != nil:
		return fmt.Errorf("session keyring: %w", err)
	}
	if err := sys.SetKeyringPerm(ring, perm); err != nil {
		return fmt.Errorf("session keyring: %w", err)
	}
	return nil
}
