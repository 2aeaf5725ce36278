package nsenter

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// TestNewUserNamespace makes many at once, each with maps of its own, and finds them by who enters.
func TestNewUserNamespace(t *testing.T) {
	needRoot(t)
	lock(t)
	var all sync.WaitGroup
	files := make([]*os.File, 8)
	for i := range files {
		all.Go(func() {
			f, err := NewUserNamespace(func(pid int) error { return writeMaps(pid, fmt.Sprintf("0 %d 10", 1000*(i+1)), "0 5 1") })
			if err != nil {
				t.Error(err)
				return
			}
			files[i] = f
		})
	}
	all.Wait()
	noChildren(t)
	for i, f := range files {
		if f == nil {
			continue
		}
		defer f.Close()
		if kind, err := sys.NamespaceType(f); err != nil || kind != unix.CLONE_NEWUSER {
			t.Errorf("the file is of a namespace %#x, %v", kind, err)
		}
		got := run(t, Request{Join: []Join{{Type: unix.CLONE_NEWUSER, FD: int(f.Fd())}}})
		if want := fmt.Sprintf("0 %d 10", 1000*(i+1)); got.UIDMap != want || got.UID != 0 {
			t.Errorf("uid %d, map %q, want root of %q", got.UID, got.UIDMap, want)
		}
	}
}

// TestNewUserNamespace_Fails: the maps' error is the caller's, and nothing is left.
func TestNewUserNamespace_Fails(t *testing.T) {
	needRoot(t)
	lock(t)
	before := openFDs()
	mine := errors.New("no maps")
	if f, err := NewUserNamespace(func(int) error { return mine }); f != nil || !errors.Is(err, mine) {
		t.Errorf("%v, %v, want the error of the maps", f, err)
	}
	if _, err := NewUserNamespace(func(pid int) error { return writeMaps(pid, "0 0 0", "0 0 1") }); !errors.Is(err, unix.EINVAL) {
		t.Errorf("%v, want EINVAL", err)
	}
	noChildren(t)
	if after := openFDs(); !slices.Equal(after, before) {
		t.Errorf("descriptors %v, were %v", after, before)
	}
}
