package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// agentClient does what `agent answer` does for it, and prints what has become of it.
func agentClient([]string) {
	fmt.Println("mkdir:", outcome(os.Mkdir("/tmp/made", 0o755)), exists("/tmp/made"), exists("/tmp/made-by-the-agent"))
	fmt.Println("again:", outcome(os.Mkdir("/tmp/made", 0o755)))
	_ = os.Mkdir("/tmp/mnt", 0o755)
	fmt.Println("mount tmpfs:", outcome(unix.Mount("none", "/tmp/mnt-by-the-agent", "tmpfs", 0, "")), isTmpfs("/tmp/mnt-by-the-agent"))
	fmt.Println("mount proc:", outcome(unix.Mount("none", "/tmp/mnt-by-the-agent", "proc", 0, "")))
	fmt.Println("umount:", outcome(unix.Unmount("/tmp/mnt-by-the-agent", 0)))
	text, err := os.ReadFile("/agent-file")
	fmt.Println("open:", outcome(err), string(text))
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return errnoName(err)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func isTmpfs(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Type == unix.TMPFS_MAGIC
}
