package main

import (
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"tare/internal/testutil/view"
)

func attributes() view.Attributes {
	var a view.Attributes
	if attr, err := unix.SchedGetAttr(os.Getpid(), 0); err == nil {
		a.SchedulerFlags, a.Runtime, a.Deadline, a.Period = attr.Flags, attr.Runtime, attr.Deadline, attr.Period
	}
	a.MemoryMode, a.MemoryNodes, a.MemoryError = memoryPolicy()
	a.AppArmor = label("apparmor/current")
	a.SELinux, a.Keyring = label("current"), keyringLabel()
	return a
}

func memoryPolicy() (mode int, nodes []int, problem string) {
	var m int32
	var mask [1024]byte
	_, _, errno := unix.Syscall6(unix.SYS_GET_MEMPOLICY, uintptr(unsafe.Pointer(&m)), uintptr(unsafe.Pointer(&mask)), uintptr(len(mask)*8), 0, 0, 0)
	if errno != 0 {
		return 0, nil, unix.ErrnoName(errno)
	}
	for n := range len(mask) * 8 {
		if mask[n/8]&(1<<(n%8)) != 0 {
			nodes = append(nodes, n)
		}
	}
	return int(m), nodes, ""
}

func label(file string) string {
	text, err := os.ReadFile("/proc/self/attr/" + file)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(text), "\x00\n")
}

func keyringLabel() string {
	id, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if err != nil {
		return ""
	}
	text, err := unix.KeyctlString(unix.KEYCTL_GET_SECURITY, id)
	if err != nil {
		return ""
	}
	return strings.TrimRight(text, "\x00")
}

// contexts prints the SELinux context of each path, a line each.
func contexts(args []string) {
	for _, path := range args {
		var buf [4096]byte
		n, err := unix.Lgetxattr(path, "security.selinux", buf[:])
		if err != nil {
			fmt.Println(errnoName(err))
			continue
		}
		fmt.Println(strings.TrimRight(string(buf[:n]), "\x00"))
	}
}
