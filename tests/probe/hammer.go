package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"tare/internal/testutil/view"

	"golang.org/x/sys/unix"
)

// procHammer looks for SECS seconds (default: for ever, or until SIGKILL) at every process that it is not the parent
// of and was not there at the start, and prints a hit for everything that lets it in. It ends with the line
// {"PID":0,"What":"done N"}, N being how many processes it tried.
func procHammer(args []string) {
	runtime.LockOSThread() // ptrace goes by thread
	old := map[int]bool{os.Getpid(): true}
	for _, pid := range pids() {
		old[pid] = true
	}
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode(view.Hit{What: "procfs", Inode: inodeOf("/proc")}) // to tell its directories from the host's
	_ = out.Encode(view.Hit{What: "ready", Inode: inodeOf("/")})
	end := endOf(args)
	tried := map[int]bool{}
	for time.Now().Before(end) {
		for _, pid := range pids() {
			if old[pid] {
				continue
			}
			tried[pid] = true
			for _, h := range attack(pid) {
				_ = out.Encode(h)
			}
		}
	}
	_ = out.Encode(view.Hit{What: "done " + strconv.Itoa(len(tried))})
}

func endOf(args []string) time.Time {
	if len(args) == 0 {
		return time.Now().Add(365 * 24 * time.Hour)
	}
	return time.Now().Add(time.Duration(decimal(args[0])) * time.Second)
}

func pids() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		die("%v", err)
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var all []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// attack tries each way in once. It lets go of what it gets: the victim's run should not depend on us.
func attack(pid int) []view.Hit {
	var hits []view.Hit
	base := "/proc/" + strconv.Itoa(pid) + "/"
	got := func(what string) *view.Hit {
		comm, _ := os.ReadFile(base + "comm")
		exe, _ := os.Readlink(base + "exe")
		hits = append(hits, view.Hit{PID: pid, Comm: strings.TrimSpace(string(comm)), Exe: exe, What: what})
		return &hits[len(hits)-1]
	}
	for _, name := range []string{"exe", "cwd", "root"} {
		if fd, err := unix.Open(base+name, unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
			describe(got(name), fd)
			unix.Close(fd)
		}
	}
	for _, name := range []string{"mem", "environ", "maps"} {
		if fd, err := unix.Open(base+name, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			unix.Close(fd)
			got(name)
		}
	}
	if names, err := os.ReadDir(base + "fd"); err == nil {
		for _, name := range names {
			if fd, err := unix.Open(base+"fd/"+name.Name(), unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
				describe(got("fd/"+name.Name()), fd)
				unix.Close(fd)
			}
		}
	}
	hits = append(hits, stolenFDs(pid)...)
	if readsMemory(pid) {
		got("vm_readv")
	}
	if unix.PtraceSeize(pid) == nil {
		got("seize")
		_ = unix.PtraceInterrupt(pid)
		_, _ = unix.Wait4(pid, nil, unix.WALL, nil)
		_ = unix.PtraceDetach(pid)
	}
	return hits
}

// describe says what a descriptor of our own, got from the victim, leads to.
func describe(h *view.Hit, fd int) {
	h.Target, _ = os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	h.Inode = inode(fd)
	var st unix.Stat_t
	h.Dir = unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

func inodeOf(path string) string {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		die("%v", err)
	}
	defer unix.Close(fd)
	return inode(fd)
}

func stolenFDs(pid int) []view.Hit {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(pidfd)
	var all []view.Hit
	for n := range 16 {
		if fd, err := unix.PidfdGetfd(pidfd, n, 0); err == nil {
			h := view.Hit{PID: pid, What: "pidfd_getfd " + strconv.Itoa(n)}
			describe(&h, fd)
			all = append(all, h)
			unix.Close(fd)
		}
	}
	return all
}

// readsMemory asks for a byte at an address that is mapped in every static Go and C program here, or may be: EFAULT
// too means that the kernel let us look.
func readsMemory(pid int) bool {
	var b [1]byte
	local := []unix.Iovec{{Base: &b[0], Len: 1}}
	remote := []unix.RemoteIovec{{Base: uintptr(0x400000), Len: 1}}
	_, err := unix.ProcessVMReadv(pid, local, remote, 0)
	return err == nil || err == unix.EFAULT
}

// exeHammer tries for SECS seconds to get hold of the program of every new process, and of PID 1, and to write to it:
// at once, and again when the process has gone on. It prints {"PID":..,"What":"written" or "opened", "Target":..} for a
// success and ends with {"What":"done N"}, N being how many program files it got hold of.
func exeHammer(args []string) {
	mine, _ := os.Readlink("/proc/self/exe")
	fmt.Println(`{"PID":0,"What":"ready"}`)
	out := json.NewEncoder(os.Stdout)
	held := map[string]int{}
	end := endOf(args)
	for time.Now().Before(end) {
		for _, pid := range pids() {
			fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				continue
			}
			path, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
			key := path + " " + inode(fd)
			if _, known := held[key]; known || path == mine {
				unix.Close(fd)
				continue
			}
			held[key] = fd
			_ = out.Encode(view.Hit{PID: pid, What: "held", Target: path})
		}
		for key, fd := range held {
			overwrite(out, key, fd)
		}
	}
	_ = out.Encode(view.Hit{What: "done " + strconv.Itoa(len(held))})
}

func inode(fd int) string {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return ""
	}
	return strconv.FormatUint(st.Dev, 10) + ":" + strconv.FormatUint(st.Ino, 10)
}

// overwrite opens for writing and leaves it at that: a runtime that lets it through is beaten, nobody's file need be.
func overwrite(out *json.Encoder, key string, fd int) {
	path := "/proc/self/fd/" + strconv.Itoa(fd)
	for _, flags := range []int{unix.O_WRONLY, unix.O_RDWR, unix.O_WRONLY | unix.O_APPEND} {
		if w, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err == nil {
			if seals, err := unix.FcntlInt(uintptr(w), unix.F_GET_SEALS, 0); err != nil || seals&unix.F_SEAL_WRITE == 0 {
				_ = out.Encode(view.Hit{What: "opened for writing", Target: key})
			} // a sealed memfd can be opened, and refuses every write (EPERM)
			unix.Close(w)
		}
	}
}
