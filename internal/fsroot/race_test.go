package fsroot

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// TestRace lets goroutines exchange a directory of the path with a link out of the root while things are made below it. Each try may fail; none
// may make anything outside, which tree's cleanup looks at.
func TestRace(t *testing.T) {
	r, root, canary := tree(t, "v/x/y/", "v/out -> CANARY", "v/up -> ../../canary")
	stop := make(chan struct{})
	var racers sync.WaitGroup
	for _, other := range []string{"out", "up"} {
		racers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = unix.Renameat2(unix.AT_FDCWD, root+"/v/x", unix.AT_FDCWD, root+"/v/"+other, unix.RENAME_EXCHANGE)
				}
			}
		})
	}
	attempts, made := 0, 0
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); attempts++ {
		name := "v/x/y/n" + strconv.Itoa(attempts)
		calls := []func() (int, error){
			func() (int, error) { return r.MkdirAll(name+"d/e/f", 0o755) },
			func() (int, error) { return createFile(r, name+"f") },
			func() (int, error) { return r.OpenNoFollow("v/x") },
			func() (int, error) { return -1, symlink(r, name+"l") },
		}
		fd, err := calls[attempts%len(calls)]()
		if err != nil {
			continue
		}
		made++
		if fd >= 0 {
			if path, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); !strings.HasPrefix(path, root+"/") {
				t.Errorf("opened %s", path)
			}
			sys.Close(fd)
		}
	}
	close(stop)
	racers.Wait()
	if names, _ := filepath.Glob(canary + "/*"); len(names) != 1 {
		t.Errorf("the canary directory has %v", names)
	}
	t.Logf("%d of %d succeeded", made, attempts)
	if made == 0 {
		t.Error("no call ever succeeded: the test shows nothing")
	}
}

// symlink makes a link as those do who have a directory by Parent.
func symlink(r *Root, path string) error {
	dir, name, err := r.Parent(path)
	if err != nil {
		return err
	}
	defer sys.Close(dir)
	return sys.Symlinkat("t", dir, name)
}
