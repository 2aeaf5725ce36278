package procfs

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestCalmMonitor(t *testing.T) {
	tid := strconv.Itoa(os.Getpid() + 1)
	path := "/proc/" + tid + "/timerslack_ns"
	before, err := os.ReadFile(path)
	if os.Getuid() != 0 || err != nil {
		t.Skip("needs root, and a monitor thread with the number after ours:", err)
	}
	if _, err := os.Stat("/proc/self/task/" + tid); err != nil {
		t.Skip("needs a monitor thread with the number after ours:", err)
	}
	CalmMonitor()
	after, err := os.ReadFile(path)
	if err != nil || strings.TrimSpace(string(after)) != monitorSlack {
		t.Errorf("slack %q (%v), %q before", after, err, before)
	}
}
