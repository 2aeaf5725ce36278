package v2

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// helperEnv makes the test program a process of a cgroup that uses that many MiB of memory.
const helperEnv = "V2_TEST_HOLD"

func TestMain(m *testing.M) {
	if mib := os.Getenv(helperEnv); mib != "" {
		hold(mib)
		return
	}
	os.Exit(m.Run())
}

func hold(mib string) {
	n, err := strconv.Atoi(mib)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	mem, err := syscall.Mmap(-1, 0, n<<20|1, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for i := 0; i < len(mem); i += os.Getpagesize() {
		mem[i] = 1
	}
	fmt.Println("up")
	time.Sleep(time.Hour)
}

// holding starts a process in the cgroup that has that many MiB, and waits until it has.
func holding(t *testing.T, c *Cgroup, mib int) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{fmt.Sprintf("%s=%d", helperEnv, mib)}
	return startIn(t, c, cmd)
}
