package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/testutil/view"
)

// failed prints the errno's name and leaves with exit code 1: a test matches EROFS, not English.
func failed(err error) {
	fmt.Println(errnoName(err))
	os.Exit(1)
}

func errnoName(err error) string {
	if err == nil {
		return ""
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		if name := unix.ErrnoName(errno); name != "" {
			return name
		}
		return "errno " + strconv.Itoa(int(errno))
	}
	return err.Error()
}

func need(args []string, n int, usage string) {
	if len(args) < n {
		die("usage: %s", usage)
	}
}

func read(args []string) {
	need(args, 1, "read PATH")
	data, err := os.ReadFile(args[0])
	if err != nil {
		failed(err)
	}
	_, _ = os.Stdout.Write(data)
}

// write opens without O_TRUNC, which cgroup and sysctl files do not always take.
func write(args []string) {
	need(args, 2, "write PATH TEXT")
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		failed(err)
	}
	if _, err := f.WriteString(args[1]); err != nil {
		failed(err)
	}
	fmt.Println("ok")
}

func stat(args []string) {
	need(args, 1, "stat PATH...")
	all := make([]view.Stat, 0, len(args))
	for _, path := range args {
		all = append(all, statPath(path))
	}
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		die("%v", err)
	}
}

func statPath(path string) view.Stat {
	s := view.Stat{Path: path}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		s.Error = errnoName(err)
		return s
	}
	s.Mode, s.UID, s.GID, s.Nlink, s.Size = st.Mode, int(st.Uid), int(st.Gid), uint64(st.Nlink), st.Size
	s.Dev, s.Ino = st.Dev, st.Ino
	s.Major, s.Minor = unix.Major(st.Rdev), unix.Minor(st.Rdev)
	s.Link, _ = os.Readlink(path)
	var fs unix.Statfs_t
	if unix.Statfs(path, &fs) == nil {
		s.Flags = uint64(fs.Flags)
	}
	return s
}

func list(args []string) {
	need(args, 1, "list DIR")
	entries, err := os.ReadDir(args[0])
	if err != nil {
		failed(err)
	}
	for _, entry := range entries {
		fmt.Println(entry.Name())
	}
}

// open tries one open(2) with flags such as "rdwr|creat" and prints "ok" or the errno's name.
func open(args []string) {
	need(args, 2, "open PATH FLAGS")
	flags := unix.O_CLOEXEC | unix.O_NONBLOCK
	for _, name := range strings.Split(args[1], "|") {
		switch name {
		case "rdonly":
		case "wronly":
			flags |= unix.O_WRONLY
		case "rdwr":
			flags |= unix.O_RDWR
		case "creat":
			flags |= unix.O_CREAT
		case "excl":
			flags |= unix.O_EXCL
		case "path":
			flags |= unix.O_PATH
		case "trunc":
			flags |= unix.O_TRUNC
		default:
			die("unknown open flag %q", name)
		}
	}
	fd, err := unix.Open(args[0], flags, 0o644)
	if err != nil {
		failed(err)
	}
	unix.Close(fd)
	fmt.Println("ok")
}

func mknod(args []string) {
	need(args, 4, "mknod PATH c|b|p MAJOR MINOR")
	mode := uint32(0o600)
	switch args[1] {
	case "c":
		mode |= unix.S_IFCHR
	case "b":
		mode |= unix.S_IFBLK
	case "p":
		mode |= unix.S_IFIFO
	}
	dev := unix.Mkdev(uint32(decimal(args[2])), uint32(decimal(args[3])))
	if err := unix.Mknod(args[0], mode, int(dev)); err != nil {
		failed(err)
	}
	fmt.Println("ok")
}

func mkdir(args []string) {
	need(args, 1, "mkdir PATH")
	if err := os.Mkdir(args[0], 0o755); err != nil {
		failed(err)
	}
	fmt.Println("ok")
}

// mount mounts a new tmpfs on DIR.
func mount(args []string) {
	need(args, 1, "mount DIR")
	if err := unix.Mount("tmpfs", args[0], "tmpfs", 0, ""); err != nil {
		failed(err)
	}
}
