package cli

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The real-time signals as every libc names them. The kernel's own first one is 32, but libcs keep the lowest for
// their threads (signal(7)), and SIGRTMIN+3 must be the 37 that systemd waits for.
const (
	rtMin = 34
	rtMax = 64
)

// parseSignal reads a signal as kill(1) does: a number from 0 (which only asks whether there is a process) to 64,
// or a name with or without SIG, in any case, RTMIN+n and RTMAX-n included.
func parseSignal(s string) (unix.Signal, error) {
	if n, err := strconv.ParseUint(s, 10, 8); err == nil && n <= rtMax {
		return unix.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	switch name { // second names, as signal(7) has them
	case "CLD":
		name = "CHLD"
	case "IOT":
		name = "ABRT"
	case "POLL":
		name = "IO"
	}
	if sig := unix.SignalNum("SIG" + name); sig != 0 {
		return sig, nil
	}
	if sig, ok := realTime(name); ok {
		return sig, nil
	}
	return 0, fmt.Errorf("unknown signal %q%s", s, didYouMean(likeSignal(name)))
}

// realTime reads RTMIN, RTMIN+n, RTMAX and RTMAX-n.
func realTime(name string) (unix.Signal, bool) {
	if rest, ok := strings.CutPrefix(name, "RTMIN"); ok {
		n, ok := offset(rest, "+")
		return unix.Signal(rtMin + n), ok
	}
	if rest, ok := strings.CutPrefix(name, "RTMAX"); ok {
		n, ok := offset(rest, "-")
		return unix.Signal(rtMax - n), ok
	}
	return 0, false
}

// offset reads nothing, or a sign and a number that stays within the real-time signals.
func offset(s, sign string) (int, bool) {
	if s == "" {
		return 0, true
	}
	digits, ok := strings.CutPrefix(s, sign)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 8)
	return int(n), err == nil && n <= rtMax-rtMin
}
