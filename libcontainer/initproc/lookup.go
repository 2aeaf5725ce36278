package initproc

import (
	"errors"
	"fmt"
	"strings"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// Managers tell a missing command from a forbidden one by these texts (exit codes 127 and 126), so they are
// those of runc: `exec: "NAME": executable file not found in $PATH`, `exec: "/p": stat /p: no such file or
// directory`, `exec: "/p": permission denied`, `exec: "/p": is a directory: permission denied`.

var errNotFound = errors.New("executable file not found in $PATH")

// lookPath finds the program that execvp(3) would execute, with the PATH of env.
func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		if err := executable(name); err != nil {
			return "", fmt.Errorf("exec: %q: %w", name, err)
		}
		return name, nil
	}
	var denied error
	for dir := range strings.SplitSeq(searchPath(env), ":") {
		if dir == "" {
			dir = "."
		}
		path := dir + "/" + name
		err := executable(path)
		if err == nil {
			return path, nil
		}
		if errors.Is(err, unix.EACCES) && denied == nil {
			denied = err
		}
	}
	if denied != nil {
		return "", fmt.Errorf("exec: %q: %w", name, denied)
	}
	return "", fmt.Errorf("exec: %q: %w", name, errNotFound)
}

// searchPath is PATH, or without one what the C library takes for it. An empty one is the working directory.
func searchPath(env []string) string {
	for _, e := range env {
		if strings.HasPrefix(e, "PATH=") {
			return variable(env, "PATH")
		}
	}
	return "/bin:/usr/bin"
}

// executable tells whether the calling user may execute the file.
func executable(path string) error {
	mode, err := sys.Mode(path)
	if err != nil {
		return err // "stat /p: no such file or directory"
	}
	if mode&unix.S_IFMT == unix.S_IFDIR {
		return fmt.Errorf("is a directory: %w", unix.EACCES)
	}
	return sys.AccessExec(path)
}

// variable gives the value of the last entry for name, which is the one that counts.
func variable(env []string, name string) (value string) {
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			value = v
		}
	}
	return value
}
