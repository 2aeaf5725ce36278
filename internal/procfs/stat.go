package procfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Stat is what tare needs of /proc/PID/stat, proc_pid_stat(5).
type Stat struct {
	PID       int
	Comm      string // the thread's name, at most 15 bytes: anything, spaces, parentheses and newlines among them
	State     byte   // R, S, D, Z (zombie), X (dead), T, t, I, ...
	PPID      int
	Flags     uint64 // PF_* of the kernel's include/linux/sched.h
	StartTime uint64 // field 22, in clock ticks since boot: with the pid it names a process for good
}

// ErrStat says that a text is not that of /proc/PID/stat.
var ErrStat = errors.New("malformed stat file")

// Fields of the part after the name; the first is number 3 of proc_pid_stat(5).
const (
	fieldState     = 0
	fieldPPID      = 1
	fieldFlags     = 6
	fieldStartTime = 19
)

// ParseStat parses the text of /proc/PID/stat.
func ParseStat(text string) (Stat, error) {
	// The name may hold ") R 1": what follows it never holds a parenthesis, so the last one ends it.
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 1 || end < open || text[open-1] != ' ' {
		return Stat{}, fmt.Errorf("%w: no name in parentheses", ErrStat)
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) <= fieldStartTime || len(fields[fieldState]) != 1 {
		return Stat{}, fmt.Errorf("%w: %d fields after the name", ErrStat, len(fields))
	}
	st := Stat{Comm: text[open+1 : end], State: fields[fieldState][0]}
	var err [4]error
	st.PID, err[0] = strconv.Atoi(text[:open-1])
	st.PPID, err[1] = strconv.Atoi(fields[fieldPPID])
	st.Flags, err[3] = strconv.ParseUint(fields[fieldFlags], 10, 64)
	st.StartTime, err[2] = strconv.ParseUint(fields[fieldStartTime], 10, 64)
	if errors.Join(err[:]...) != nil || st.PID < 0 {
		return Stat{}, fmt.Errorf("%w: %w", ErrStat, errors.Join(err[:]...))
	}
	return st, nil
}

// Stat reads and parses the stat file of pid. The error is fs.ErrNotExist or unix.ESRCH when there is no such process.
func (h *Handle) Stat(pid int) (Stat, error) {
	f, err := h.Open(strconv.Itoa(pid)+"/stat", os.O_RDONLY)
	if err != nil {
		return Stat{}, err
	}
	defer f.Close()
	// 52 numbers and a name of 15 bytes; kernel threads of workqueues have longer ones.
	buf, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return Stat{}, err
	}
	st, err := ParseStat(string(buf))
	if err != nil {
		return Stat{}, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return st, nil
}
