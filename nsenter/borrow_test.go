package nsenter

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Whoever can name the child, or whom its user namespace belongs to, must find nothing of the parent's in it.
func TestBorrows(t *testing.T) {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	join := func(flags ...int) (all []Join) {
		for _, f := range flags {
			all = append(all, Join{Type: f, FD: 0})
		}
		return all
	}
	const shared = unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	for name, tt := range map[string]struct {
		request Request
		want    bool
	}{
		"nothing":               {Request{}, true},
		"new":                   {Request{New: shared | unix.CLONE_NEWPID}, true},
		"new user":              {Request{New: shared | unix.CLONE_NEWUSER}, false},
		"new time":              {Request{New: shared | unix.CLONE_NEWTIME}, false},
		"joined":                {Request{Join: join(shared)}, true},
		"joined one by one":     {Request{Join: join(unix.CLONE_NEWNS, unix.CLONE_NEWNET)}, true},
		"joined PID":            {Request{Join: join(unix.CLONE_NEWPID, shared)}, false},
		"joined user":           {Request{Join: join(unix.CLONE_NEWUSER)}, false},
		"joined user, by pidfd": {Request{Join: join(shared | unix.CLONE_NEWUSER)}, false},
		"joined PID, by pidfd":  {Request{Join: join(shared | unix.CLONE_NEWPID)}, false},
		"joined time":           {Request{Join: join(shared | unix.CLONE_NEWTIME)}, false},
		"joined and new":        {Request{Join: join(unix.CLONE_NEWNET), New: unix.CLONE_NEWNS}, false},
	} {
		tt.request.Exe = exe
		st, err := newStage(&tt.request)
		if err != nil {
			t.Fatal(err)
		}
		st.closePipes()
		if st.borrow != tt.want {
			t.Errorf("%s: borrows %v, want %v", name, st.borrow, tt.want)
		}
	}
}
