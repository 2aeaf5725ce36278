package main

import (
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"tare/internal/testutil/view"
)

// openFDs lists /proc/self/fd by raw calls: package os would first make an epoll descriptor of its own.
func openFDs() []view.FD {
	dir, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(dir)
	fds := []view.FD{}
	buf := make([]byte, 16<<10)
	link := make([]byte, unix.PathMax)
	for {
		n, err := unix.Getdents(dir, buf)
		if err != nil || n <= 0 {
			break
		}
		for rest := buf[:n]; len(rest) > 0; {
			entry := (*syscall.Dirent)(unsafe.Pointer(&rest[0]))
			name := unix.ByteSliceToString(rest[unsafe.Offsetof(entry.Name):entry.Reclen])
			rest = rest[entry.Reclen:]
			number, err := strconv.Atoi(name)
			if err != nil || number == dir {
				continue
			}
			fd := view.FD{Number: number}
			if n, err := unix.Readlinkat(dir, name, link); err == nil {
				fd.Target = string(link[:n])
			}
			fd.Flags, _ = unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
			onExec, _ := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
			fd.CloseOn = onExec&unix.FD_CLOEXEC != 0
			fds = append(fds, fd)
		}
	}
	sort.Slice(fds, func(i, j int) bool { return fds[i].Number < fds[j].Number })
	return fds
}

func readStatus() map[string]string {
	text := lines("/proc/self/status")
	if text == nil {
		return nil
	}
	fields := map[string]string{}
	for _, line := range text {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	return fields
}

func namespaces() map[string]string {
	entries, err := os.ReadDir("/proc/self/ns")
	if err != nil {
		return nil
	}
	all := map[string]string{}
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/ns/" + entry.Name()); err == nil {
			all[entry.Name()] = target
		}
	}
	return all
}

func mounts() []view.Mount {
	text := lines("/proc/self/mountinfo")
	if text == nil {
		return nil
	}
	all := make([]view.Mount, 0, len(text))
	for _, line := range text {
		before, after, _ := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.SplitN(after, " ", 3)
		if len(left) < 6 || len(right) < 3 {
			continue
		}
		all = append(all, view.Mount{
			ID: decimal(left[0]), Parent: decimal(left[1]), Device: left[2],
			Root: unescape(left[3]), Point: unescape(left[4]), Options: left[5], Tags: left[6:],
			Type: right[0], Source: unescape(right[1]), Super: right[2],
		})
	}
	return all
}

// unescape undoes the \040 style of mountinfo.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if n, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func devices(dir string) []view.Device {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	all := make([]view.Device, 0, len(entries))
	for _, entry := range entries {
		s := statPath(filepath.Join(dir, entry.Name()))
		if s.Error != "" {
			continue
		}
		all = append(all, view.Device{
			Name: entry.Name(), Mode: s.Mode, Major: s.Major, Minor: s.Minor, UID: s.UID, GID: s.GID, Link: s.Link,
		})
	}
	return all
}

// lines gives a file's lines, nil when it cannot be read and at least an empty slice when it can.
func lines(path string) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	text := strings.TrimSuffix(string(data), "\n")
	if text == "" {
		return []string{}
	}
	return strings.Split(text, "\n")
}
