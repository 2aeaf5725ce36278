package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer"
)

// stateDirName is the same under every program name: the state is not runc's.
const stateDirName = "tare"

// stateRoot returns the absolute directory that holds the containers' state.
func (a *app) stateRoot() (string, error) {
	if a.global.root == "" {
		return defaultRoot(callerNow()), nil
	}
	root, err := absolute("--root", a.global.root)
	if err != nil {
		return "", err
	}
	if root == "/" {
		// Every directory of the host would be a container, and delete removes containers.
		return "", errors.New("--root must not be /")
	}
	return root, nil
}

// makeStateRoot is stateRoot for commands that make a container. The default root of a user is made here, with the
// sticky bit: what has it in XDG_RUNTIME_DIR is not cleaned up after some hours (XDG base directory specification).
// Any other root is made by libcontainer.
func (a *app) makeStateRoot() (string, error) {
	root, err := a.stateRoot()
	if err != nil || a.global.root != "" || root == systemRoot {
		return root, err
	}
	if err := sys.MakeDirs(root, 0o700); err != nil {
		return "", fmt.Errorf("state root: %w (is XDG_RUNTIME_DIR right?)", err)
	}
	if err := os.Chmod(root, 0o700|os.ModeSticky); err != nil {
		return "", fmt.Errorf("state root: %w", err)
	}
	return root, nil
}

// elsewhere tells a user who may not use a state root how to have one.
func (a *app) elsewhere(err error) error {
	if _, ok := errors.AsType[*libcontainer.RefusedError](err); !ok {
		return err
	}
	if a.global.root != "" {
		return fmt.Errorf("%w: --root has to name a directory of yours", err)
	}
	return fmt.Errorf("%w: set XDG_RUNTIME_DIR to a directory of yours, or name one with --root", err)
}

const systemRoot = "/run/" + stateDirName

// caller is what the default root depends on.
type caller struct {
	euid       int
	user       string      // $USER
	runtimeDir string      // $XDG_RUNTIME_DIR
	inUserNS   func() bool // asked only if it matters
	usersDir   string      // where login managers make the users' runtime directories
}

func callerNow() caller {
	return caller{os.Geteuid(), os.Getenv("USER"), os.Getenv("XDG_RUNTIME_DIR"), procfs.InUserNS, "/run/user"}
}

// defaultRoot is /run/tare for the system's root, and below XDG_RUNTIME_DIR for others: users, and root of a user
// namespace, unless that one poses as root by its name too (root in a container has USER=root, and /run is its own).
// A user who has come by su(1), or by a timer, has a runtime directory too, where a login has made one, but no word of it.
func defaultRoot(c caller) string {
	if c.runtimeDir == "" && c.euid != 0 {
		c.runtimeDir = c.loginDir()
	}
	switch {
	case c.runtimeDir == "":
		return systemRoot
	case c.euid != 0, c.user != "root" && c.inUserNS():
		return filepath.Join(c.runtimeDir, stateDirName)
	}
	return systemRoot
}

// loginDir is what pam_systemd(8) sets XDG_RUNTIME_DIR to, if it is there and the caller's own, and else "".
func (c caller) loginDir() string {
	dir := filepath.Join(c.usersDir, strconv.Itoa(c.euid))
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Sys().(*syscall.Stat_t).Uid != uint32(c.euid) {
		return ""
	}
	return dir
}
