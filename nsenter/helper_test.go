package nsenter

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// A helper is a process that calls Start in the test's stead: as an ordinary user, or to be killed.

// order is what a helper is told.
type order struct {
	New  uintptr
	Maps string // of both kinds, for a new user namespace
	Join []Join // by the numbers of the helper's descriptors
	Hold bool   // stay beside the child
}

// answer is what it tells.
type answer struct {
	Pid    int
	Error  string
	Errno  int // of an *Error
	Report report
	Left   bool // a child is left after Start failed
}

// helperFDs: the child reports to 3, holds on to 4, and the helper answers to 5.
const (
	helperReport = 3
	helperHold   = 4
	helperAnswer = 5
)

func helper(args []string) int {
	runtime.LockOSThread()
	var o order
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		panic(err)
	}
	unix.CloseOnExec(helperAnswer)
	var a answer
	pid, err := Start(&Request{
		Exe:  os.NewFile(uintptr(must(unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0))), "exe"),
		Args: []string{childArg0, "hold", strconv.Itoa(helperReport), strconv.Itoa(helperHold)},
		New:  o.New, Join: o.Join, Inherit: []int{helperReport, helperHold},
		MapIDs: func(pid int) error {
			if os.Geteuid() != 0 {
				if err := os.WriteFile(fmt.Sprintf("/proc/%d/setgroups", pid), []byte("deny"), 0); err != nil {
					return err
				}
			}
			return writeMaps(pid, o.Maps, o.Maps)
		},
	})
	a.Pid = pid
	if e, ok := errors.AsType[*Error](err); ok {
		a.Errno = int(e.Errno)
	}
	if err != nil {
		a.Error = err.Error()
		_, waitErr := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		a.Left = waitErr != unix.ECHILD
	}
	b := must(json.Marshal(&a))
	must(unix.Write(helperAnswer, b))
	unix.Close(helperAnswer)
	if o.Hold {
		return hold(helperHold)
	}
	if err == nil {
		must(sys.Wait(pid))
	}
	return 0
}

// helping is a helper at work.
type helping struct {
	cmd    *exec.Cmd
	answer answer
	let    func() // lets child and helper go
}

// startHelper starts a helper, which prepare may make somebody else, and waits for its answer and for the report
// of the child that it started.
func startHelper(t *testing.T, o order, prepare func(*exec.Cmd)) *helping {
	t.Helper()
	reportRead, reportWrite := pipe(t)
	holdRead, holdWrite := pipe(t)
	answerRead, answerWrite := pipe(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{helperArg0, string(must(json.Marshal(&o)))}
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	cmd.ExtraFiles = []*os.File{reportWrite, holdRead, answerWrite}
	if prepare != nil {
		prepare(cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start a helper: %v", err)
	}
	reportWrite.Close()
	holdRead.Close()
	answerWrite.Close()
	h := &helping{cmd: cmd, let: func() { holdWrite.Close() }}
	if err := json.NewDecoder(answerRead).Decode(&h.answer); err != nil {
		t.Fatalf("the helper's answer: %v", err)
	}
	if h.answer.Error == "" {
		if err := json.NewDecoder(reportRead).Decode(&h.answer.Report); err != nil {
			t.Fatalf("the child's report: %v", err)
		}
	}
	return h
}

// end lets the helper end.
func (h *helping) end(t *testing.T) {
	t.Helper()
	h.let()
	if err := h.cmd.Wait(); err != nil {
		t.Errorf("helper: %v", err)
	}
}
