package nsenter

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// said makes a pipe that gives these messages, and then its end.
func said(t *testing.T, messages ...message) int {
	t.Helper()
	read, write := pipe(t)
	for _, m := range messages {
		b := binary.NativeEndian.AppendUint32(nil, uint32(m.step))
		must(write.Write(binary.NativeEndian.AppendUint32(b, uint32(m.value))))
	}
	write.Close()
	return int(read.Fd())
}

// TestHear: who may trace the workload can write anything to the pipe.
func TestHear(t *testing.T) {
	refused := errors.New("not ours")
	for name, tt := range map[string]struct {
		said []message
		born error
		pids int // how often born is called
		want string
	}{
		"executed":        {[]message{{stepPid, 7}}, nil, 1, ""},
		"not executed":    {[]message{{stepPid, 7}, {stepExecute, int32(unix.ENOENT)}}, nil, 1, "execute the process: no such file or directory"},
		"early":           {[]message{{stepFilter, int32(unix.EINVAL)}}, nil, 0, "linux.seccomp (/linux/seccomp): seccomp: invalid argument"},
		"nothing":         {nil, nil, 0, "killed before it was made"},
		"not admitted":    {[]message{{stepPid, 7}}, refused, 1, "not ours"},
		"two pids":        {[]message{{stepPid, 7}, {stepPid, 1}}, nil, 1, "unexpected message"},
		"unknown step":    {[]message{{stepPid, 7}, {stepExecute + 1, 0}}, nil, 1, "unexpected message"},
		"step of another": {[]message{{stepMaps, 0}}, nil, 0, "linux"},
		"huge step":       {[]message{{1<<32 - 1, 0}}, nil, 0, "unexpected message"},
		"two failures":    {[]message{{stepPid, 7}, {stepLimits, 1}, {stepExecute, 2}}, nil, 1, "unexpected message"},
		"done by message": {[]message{{stepDone, 0}}, nil, 0, "killed before it was made"},
	} {
		t.Run(name, func(t *testing.T) {
			pids := 0
			err := Hear(said(t, tt.said...), func(pid int) error {
				if pids++; pid != 7 {
					t.Errorf("pid %d", pid)
				}
				return tt.born
			})
			if name == "step of another" {
				if err == nil {
					t.Error("no error")
				}
				return
			}
			if pids != tt.pids || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v after %d pids, want %q after %d", err, pids, tt.want, tt.pids)
			}
		})
	}
	t.Run("cut", func(t *testing.T) {
		read, write := pipe(t)
		must(write.WriteString("abc"))
		write.Close()
		if err := Hear(int(read.Fd()), func(int) error { return nil }); err == nil {
			t.Error("no error")
		}
	})
	t.Run("execution is told apart", func(t *testing.T) {
		err := Hear(said(t, message{stepPid, 7}, message{stepExecute, int32(unix.EACCES)}), func(int) error { return nil })
		if e, ok := errors.AsType[*Error](err); !ok || !e.Executing() || e.Errno != unix.EACCES {
			t.Errorf("%v", err)
		}
		if (&Error{Step: stepExec}).Executing() {
			t.Error("the execution of the stage is taken for that of the process")
		}
	})
}

// Calls are what the early filter is asked about: none of what is made may be missing.
func TestSpawn_Calls(t *testing.T) {
	s := &Spawn{Limits: []Limit{{Resource: 1}, {Resource: 2}}, Terminal: true, Report: 9, Gate: 8}
	got := map[uintptr]int{}
	for _, c := range s.Calls() {
		got[c.Number]++
	}
	for number, want := range map[uintptr]int{
		unix.SYS_CLONE: 1, unix.SYS_SETSID: 1, unix.SYS_READ: 1, unix.SYS_WRITE: 1, unix.SYS_EXIT_GROUP: 1, unix.SYS_PRLIMIT64: 2, unix.SYS_IOCTL: 1,
	} {
		if got[number] != want {
			t.Errorf("system call %d is named %d times, want %d", number, got[number], want)
		}
	}
	if got[unix.SYS_CAPSET] != 0 {
		t.Error("capset, which is not called")
	}
}
