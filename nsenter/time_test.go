package nsenter

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStart_TimeOffsets(t *testing.T) {
	needRoot(t)
	lock(t)
	own(t, "time")
	proc := openPath(t, "/proc")
	h := newHolder(t, false)
	const second = 1_000_000_000
	tests := []struct {
		name                string
		offsets             string
		join                []Join
		new                 uintptr
		monotonic, boottime int64
	}{
		{name: "none"},
		{name: "both", offsets: "monotonic 1000 0\nboottime 86400 5\n", monotonic: 1000 * second, boottime: 86400*second + 5},
		{name: "one", offsets: "boottime 7 0\n", boottime: 7 * second},
		{name: "in a new user namespace", new: unix.CLONE_NEWUSER | unix.CLONE_NEWPID, offsets: "boottime 7 0\n", boottime: 7 * second},
		{name: "beside joined namespaces", join: h.join("net"), offsets: "monotonic 100000 0\n", monotonic: 100000 * second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lock(t)
			r := Request{New: unix.CLONE_NEWTIME | tt.new, Join: tt.join, TimeOffsets: []byte(tt.offsets), Proc: proc}
			if tt.new&unix.CLONE_NEWUSER != 0 {
				r.MapIDs = rootMaps
			}
			monotonic, boottime := clock(unix.CLOCK_MONOTONIC), clock(unix.CLOCK_BOOTTIME)
			got := runBeside(t, r)
			where := where{"time": "new"}
			for _, k := range kinds {
				if tt.new&uintptr(k.flag) != 0 {
					where[k.name] = "new"
				}
			}
			if tt.join != nil {
				where["net"] = "holder"
			}
			where.check(t, got, h.links)
			if c := got.Monotonic - tt.monotonic; c < monotonic || c > clock(unix.CLOCK_MONOTONIC) {
				t.Errorf("the monotonic clock is off by %v ns, want %v", got.Monotonic-monotonic, tt.monotonic)
			}
			if c := got.Boottime - tt.boottime; c < boottime || c > clock(unix.CLOCK_BOOTTIME) {
				t.Errorf("the boot-time clock is off by %v ns, want %v", got.Boottime-boottime, tt.boottime)
			}
		})
	}
}

// TestStart_TimeOffsetsNeedProc: the offsets go through the handle that was given, and through no path.
func TestStart_TimeOffsetsNeedProc(t *testing.T) {
	needRoot(t)
	lock(t)
	own(t, "time")
	wrong, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	_, err = Start(&Request{
		Exe: self(t), Args: []string{childArg0, "exit"}, New: unix.CLONE_NEWTIME,
		TimeOffsets: []byte("boottime 7 0\n"), Proc: wrong,
	})
	wantError(t, err, "linux.timeOffsets (/linux/timeOffsets): write /proc/self/timens_offsets", unix.ENOENT)
	noChildren(t)
}
