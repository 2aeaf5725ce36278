package procfs

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// monitorSlack is in nanoseconds.
const monitorSlack = "10000000"

// CalmMonitor lets the Go runtime's monitor thread sleep longer than the 20 µs at a time that it wants to: a process of
// 8 ms makes half as many context switches then, and one of 2 ms no more than it costs. It is the first thread that the runtime starts, and has the process's
// number plus one unless another process was faster, which then is left alone. Nothing depends on it, and only root may
// (timerslack_ns in proc(5) wants CAP_SYS_NICE), so it has no error.
func CalmMonitor() {
	h, err := Open()
	if err != nil {
		return
	}
	defer h.Close()
	tid := strconv.Itoa(os.Getpid() + 1)
	ours, err := h.open("self/task/"+tid, unix.O_PATH)
	if err != nil {
		return
	}
	sys.Close(ours)
	slack, err := h.open(tid+"/timerslack_ns", unix.O_WRONLY)
	if err != nil {
		return
	}
	_, _ = unix.Write(slack, []byte(monitorSlack))
	sys.Close(slack)
}
