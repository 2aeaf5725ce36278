package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// JoinSessionKeyring makes a new session keyring of that name for the calling thread and returns its id. keyctl(2).
func JoinSessionKeyring(name string) (int, error) {
	id, err := unix.KeyctlJoinSessionKeyring(name)
	return id, os.NewSyscallError("keyctl KEYCTL_JOIN_SESSION_KEYRING", err)
}

// SetKeyringPerm sets the permissions of a key or keyring, in the four bytes of keyctl_setperm(3).
func SetKeyringPerm(id int, perm uint32) error {
	return os.NewSyscallError("keyctl KEYCTL_SETPERM", unix.KeyctlSetperm(id, perm))
}
