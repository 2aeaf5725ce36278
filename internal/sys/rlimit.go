package sys

import "syscall"

// RestoreNofile gives the process back the RLIMIT_NOFILE that it was started with. A Go program raises its
// soft limit before main; the standard library knows the value of before and sets it again just ahead of each
// execve(2), but our own fork and execve go past that. So it is asked to execute a file that cannot exist.
func RestoreNofile() {
	_ = syscall.Exec("", nil, nil) // ENOENT, with the limit restored
}
