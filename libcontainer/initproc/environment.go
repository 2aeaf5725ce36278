package initproc

import (
	"bufio"
	"io"
	"slices"
	"strconv"
	"strings"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// notifySocket is where the container finds its sd_notify(3) socket, in the directory that was mounted for it.
const notifySocket = "/run/notify/notify.sock"

// environment is that of the workload: process.env with the last entry for a name, and what the spec's readers
// expect beside.
func (p *initProc) environment() []string {
	env := lastEntries(p.process().Env)
	if !slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "HOME=") }) {
		env = append(env, "HOME="+p.home(p.process().User.UID))
	}
	if n := p.cfg.ListenFDs; n > 0 {
		env = append(without(env, "LISTEN_FDS", "LISTEN_PID"), "LISTEN_FDS="+strconv.Itoa(n), "LISTEN_PID=1")
	}
	if p.cfg.NotifyDir != "" {
		env = append(without(env, "NOTIFY_SOCKET"), "NOTIFY_SOCKET="+notifySocket)
	}
	return env
}

// lastEntries keeps the last entry for each name, in its place.
func lastEntries(env []string) []string {
	last := make(map[string]int, len(env))
	for i, e := range env {
		name, _, _ := strings.Cut(e, "=")
		last[name] = i
	}
	out := make([]string, 0, len(env)+3)
	for i, e := range env {
		if name, _, _ := strings.Cut(e, "="); last[name] == i {
			out = append(out, e)
		}
	}
	return out
}

func without(env []string, names ...string) []string {
	return slices.DeleteFunc(env, func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains(names, name)
	})
}

// maxPasswd bounds how much of an image's /etc/passwd is read.
const maxPasswd = 1 << 20

// home is the home directory of uid by the container's /etc/passwd, "/" if that does not tell. The file is the
// image's: only a regular one is read, and not without end (CVE-2026-47262).
func (p *initProc) home(uid uint32) string {
	fd, err := p.dir.Open("/etc/passwd")
	if err != nil {
		return "/"
	}
	defer sys.Close(fd)
	if st, err := sys.Fstat(fd); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "/"
	}
	f, err := p.proc.ReopenFD(fd, unix.O_RDONLY)
	if err != nil {
		return "/"
	}
	defer f.Close()
	return parseHome(io.LimitReader(f, maxPasswd), uid)
}

// parseHome finds the sixth field of uid's line; passwd(5).
func parseHome(r io.Reader, uid uint32) string {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) < 6 {
			continue
		}
		if n, err := strconv.ParseUint(fields[2], 10, 32); err == nil && uint32(n) == uid && strings.HasPrefix(fields[5], "/") && !strings.ContainsRune(fields[5], 0) {
			return fields[5]
		}
	}
	return "/"
}
