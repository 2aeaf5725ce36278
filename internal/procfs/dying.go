package procfs

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// exiting is PF_EXITING of include/linux/sched.h: the process is on its way out, though it may still have to wait for
// others in its PID namespace to end.
const exiting = 0x4

// Dying tells whether the process pid cannot but end: it is exiting already, or has a SIGKILL that it did not come to yet. The
// kernel makes a SIGKILL for each thread of every signal that ends a process. The errors are those of Stat.
func (h *Handle) Dying(pid int) (bool, error) {
	st, err := h.Stat(pid)
	if err != nil || st.Flags&exiting != 0 {
		return err == nil, err
	}
	f, err := h.Open(strconv.Itoa(pid)+"/status", os.O_RDONLY)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return killPending(io.LimitReader(f, 64<<10)), nil
}

// killPending reads the masks of pending signals of /proc/PID/status, proc_pid_status(5).
func killPending(status io.Reader) bool {
	for lines := bufio.NewScanner(status); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if name != "SigPnd" && name != "ShdPnd" {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err == nil && mask&(1<<(unix.SIGKILL-1)) != 0 {
			return true
		}
	}
	return false
}
