package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tare/internal/testutil/view"
)

// agent is a seccomp agent (linux.seccomp.listenerPath) that listens at a socket and plays one of these parts:
//
//	answer      does mkdir, tmpfs mounts and the opening of /agent-file for the container, and lets all else go on
//	silent      takes the listener and never answers
//	hang-up     closes each connection at once
//	deaf        does not accept
//	die         takes the listener and ends
//
// It prints a view.AgentEvent a line.
func agent(args []string) {
	need(args, 2, "agent SOCKET answer|silent|hang-up|deaf|die")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: args[0], Net: "unix"})
	if err != nil {
		die("%v", err)
	}
	if err := os.Chmod(args[0], 0o666); err != nil {
		die("%v", err)
	}
	if args[1] != "deaf" {
		event(&view.AgentEvent{Listening: true})
	}
	if args[1] == "deaf" {
		deaf(listener)
	}
	for {
		conn, err := listener.AcceptUnix()
		if err != nil {
			die("%v", err)
		}
		if args[1] == "hang-up" {
			conn.Close()
			continue
		}
		go attend(conn, args[1])
	}
}

// deaf fills the backlog, as far as one process can, and sleeps.
func deaf(listener *net.UnixListener) {
	raw, err := listener.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { _ = unix.Listen(int(fd), 0) })
	}
	if err != nil {
		die("%v", err)
	}
	conn, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		die("%v", err)
	}
	defer conn.Close()
	event(&view.AgentEvent{Listening: true})
	time.Sleep(time.Hour)
	listener.Close()
}

var events sync.Mutex

func event(e *view.AgentEvent) {
	events.Lock()
	defer events.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(e)
}

// attend receives one container process state, all of it, and answers what comes from its listener.
func attend(conn *net.UnixConn, part string) {
	var text bytes.Buffer
	var fds []int
	b, oob := make([]byte, 512), make([]byte, unix.CmsgSpace(16*4))
	for first := true; ; first = false {
		n, oobn, _, _, err := conn.ReadMsgUnix(b, oob)
		got := rights(oob[:oobn])
		if len(got) > 0 && !first {
			die("a descriptor in a later message")
		}
		fds = append(fds, got...)
		text.Write(b[:max(n, 0)])
		if err != nil || n == 0 {
			break
		}
	}
	conn.Close()
	e := view.AgentEvent{Descriptors: len(fds)}
	if err := json.Unmarshal(text.Bytes(), &e.State); err != nil || len(fds) != 1 {
		e.Error = fmt.Sprintf("%d descriptors, %v in %q", len(fds), err, text.String())
	}
	event(&e)
	if part == "die" {
		os.Exit(0)
	}
	if part == "answer" && len(fds) == 1 {
		serve(fds[0], &e)
	}
}

func rights(oob []byte) (fds []int) {
	messages, _ := unix.ParseSocketControlMessage(oob)
	for i := range messages {
		got, _ := unix.ParseUnixRights(&messages[i])
		fds = append(fds, got...)
	}
	return fds
}

// The structures of seccomp_unotify(2).

type notification struct {
	ID    uint64
	Pid   uint32
	Flags uint32
	Nr    int32
	Arch  uint32
	IP    uint64
	Args  [6]uint64
}

type response struct {
	ID    uint64
	Val   int64
	Errno int32
	Flags uint32
}

type addFD struct {
	ID         uint64
	Flags      uint32
	Source     uint32
	New        uint32
	NewFDFlags uint32
}

// serve answers until the last process under the filter has ended.
func serve(listener int, of *view.AgentEvent) {
	defer unix.Close(listener)
	for {
		fds := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil {
			continue
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			event(&view.AgentEvent{Ended: of.State.State.ID})
			return
		}
		var n notification
		if notifIoctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) != nil {
			continue // ENOENT: it was killed meanwhile
		}
		c := &notified{listener: listener, notification: n}
		r := response{ID: n.ID, Flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		done, err := c.emulate(&r)
		if done {
			event(&view.AgentEvent{Call: c.name, Pid: c.process, Path: c.path, Emulated: done, Error: errnoName(err)})
		}
		if err != nil {
			var errno unix.Errno
			if !errors.As(err, &errno) {
				errno = unix.EIO
			}
			r = response{ID: n.ID, Errno: -int32(errno)}
		}
		if !c.sent {
			_ = notifIoctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
		}
	}
}

func notifIoctl(fd int, request uint, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg))
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

// notified is a system call that the container waits for.
type notified struct {
	notification
	listener int
	name     string
	path     string
	process  int
	sent     bool // it has its answer
}

// emulate does the call in the container's stead if it is one of those that this agent knows.
func (c *notified) emulate(r *response) (done bool, err error) {
	switch {
	case c.Nr == sysMkdir:
		c.name = "mkdir"
		done, err = true, c.mkdir(c.Args[0])
	case c.Nr == unix.SYS_MKDIRAT:
		c.name = "mkdir"
		done, err = true, c.mkdir(c.Args[1])
	case c.Nr == unix.SYS_MOUNT:
		c.name = "mount"
		done, err = true, c.mount()
	case c.Nr == unix.SYS_OPENAT:
		c.name = "openat"
		done, err = c.open()
	}
	if done && err == nil {
		r.Flags = 0
	}
	return done, err
}

// text reads a string of the process, whose thread it is that makes the call. Whoever has its pid by then may be another: the notification is asked for once more.
func (c *notified) text(address uint64) (string, error) {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", c.Pid))
	if err != nil {
		return "", err
	}
	defer mem.Close()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Pid))
	if err != nil {
		return "", err
	}
	_, tgid, _ := strings.Cut(string(status), "\nTgid:")
	_, _ = fmt.Sscan(tgid, &c.process)
	b := make([]byte, 4096)
	n, err := mem.ReadAt(b[:unix.PathMax-int(address%4096)], int64(address))
	if end := bytes.IndexByte(b[:n], 0); end >= 0 {
		n, err = end, nil
	}
	if err != nil {
		return "", err
	}
	id := c.ID
	return string(b[:n]), notifIoctl(c.listener, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id))
}

// mkdir makes another directory than the container asked for, in its root.
func (c *notified) mkdir(address uint64) (err error) {
	if c.path, err = c.text(address); err != nil {
		return err
	}
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", c.Pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	slash := strings.LastIndexByte(c.path, '/')
	if slash < 0 {
		return unix.EINVAL
	}
	parent, err := unix.Openat2(root, c.path[:slash+1], &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	return unix.Mkdirat(parent, c.path[slash+1:]+"-by-the-agent", 0o755)
}

// mount mounts a tmpfs in the container's mount namespace.
func (c *notified) mount() (err error) {
	if c.path, err = c.text(c.Args[1]); err != nil {
		return err
	}
	kind, err := c.text(c.Args[2])
	if err != nil {
		return err
	}
	if kind != "tmpfs" {
		return unix.EPERM
	}
	ns, err := unix.Open(fmt.Sprintf("/proc/%d/ns/mnt", c.Pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this function
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = unix.Setns(ns, unix.CLONE_NEWNS)
		}
		if err == nil {
			err = unix.Mount("by-the-agent", c.path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=64k")
		}
		result <- err
	}()
	return <-result
}

// open gives the container a file that it does not have.
func (c *notified) open() (bool, error) {
	path, err := c.text(c.Args[1])
	if err != nil || path != "/agent-file" {
		return false, nil
	}
	c.path = path
	file, err := unix.MemfdCreate("agent-file", unix.MFD_CLOEXEC)
	if err != nil {
		return true, err
	}
	defer unix.Close(file)
	if _, err := unix.Pwrite(file, []byte("from the agent\n"), 0); err != nil {
		return true, err
	}
	add := addFD{ID: c.ID, Flags: unix.SECCOMP_ADDFD_FLAG_SEND, Source: uint32(file), NewFDFlags: unix.O_CLOEXEC}
	err = notifIoctl(c.listener, unix.SECCOMP_IOCTL_NOTIF_ADDFD, unsafe.Pointer(&add))
	c.sent = err == nil
	return true, err
}
