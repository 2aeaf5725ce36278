package procfs

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// NoNewPrivs tells whether the process pid, and what it executes, can get no more privileges; proc_pid_status(5).
func (h *Handle) NoNewPrivs(pid int) (bool, error) {
	f, err := h.Open(strconv.Itoa(pid)+"/status", os.O_RDONLY)
	if err != nil {
		return false, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "NoNewPrivs:"); ok {
			return strings.TrimSpace(value) == "1", nil
		}
	}
	return false, lines.Err()
}
