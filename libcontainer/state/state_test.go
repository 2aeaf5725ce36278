package state

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/cgroups"
)

func full(id string) *State {
	timeout, limit := 3, int64(5)
	return &State{
		Version: specs.Version, ID: id, InitPid: 4711, InitStart: 1<<63 + 5, Created: time.Unix(1700000000, 12345).UTC(),
		Bundle: "/b", Rootfs: "/b/rootfs", Annotations: map[string]string{"a": "<&>\n"},
		Hooks:  &specs.Hooks{Poststop: []specs.Hook{{Path: "/bin/x", Args: []string{"x", ""}, Timeout: &timeout}}},
		Cgroup: &cgroups.State{}, OwnPidNS: true, Notify: true,
		Resources: &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}, Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}},
	}
}

func TestDir_Life(t *testing.T) {
	root := filepath.Join(t.TempDir(), "deep", "root")
	if _, err := Open(root, "web"); !errors.Is(err, ErrNotExist) {
		t.Errorf("Open before Reserve: %v, want ErrNotExist", err)
	}
	d := reserve(t, root, "web")
	if want := filepath.Join(root, "web"); d.Path() != want {
		t.Errorf("path %q, want %q", d.Path(), want)
	}
	if _, err := Reserve(root, "web"); !errors.Is(err, ErrExist) {
		t.Errorf("Reserve twice: %v, want ErrExist", err)
	}
	if _, err := d.Load(); !errors.Is(err, ErrNoState) {
		t.Errorf("Load before Save: %v, want ErrNoState", err)
	}
	for _, s := range []*State{full("web"), {ID: "web"}} { // the second is shorter: nothing of the first may remain
		if err := d.Save(s); err != nil {
			t.Fatalf("Save: %v", err)
		}
		got, err := open1(t, root, "web").Load()
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("loaded %+v, %v, want %+v", got, err, s)
		}
	}
	if err := d.SaveConfig([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(root, "web", "config.json")); string(b) != "{}" {
		t.Errorf("config.json: %q, %v", b, err)
	}
	if b, err := open1(t, root, "web").LoadConfig(); string(b) != "{}" || err != nil {
		t.Errorf("LoadConfig: %q, %v", b, err)
	}
	if owner, err := d.Owner(); err != nil || int(owner) != os.Geteuid() {
		t.Errorf("owner %d, %v, want %d", owner, err, os.Geteuid())
	}
	if err := d.Remove(); err != nil {
		t.Fatalf("Remove: %v", err)
	}
	if _, err := Open(root, "web"); !errors.Is(err, ErrNotExist) {
		t.Errorf("Open after Remove: %v, want ErrNotExist", err)
	}
	if err := d.Remove(); err != nil {
		t.Errorf("Remove twice: %v", err)
	}
	d.Close()
	reserve(t, root, "web") // the id is free again
}

func TestOpen_NoDirectory(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"file", "link"} {
		if d, err := Open(root, id); !errors.Is(err, ErrNotExist) {
			t.Errorf("Open %s: %v, %v, want ErrNotExist", id, d, err)
		}
		if _, err := Reserve(root, id); !errors.Is(err, ErrExist) {
			t.Errorf("Reserve %s: %v, want ErrExist", id, err)
		}
	}
	for _, no := range []string{filepath.Join(root, "file"), filepath.Join(root, "file", "deep")} {
		_, err := Open(no, "web")
		if errors.Is(err, ErrNotExist) || !errors.Is(err, unix.ENOTDIR) || !strings.Contains(err.Error(), "state root "+no+": ") {
			t.Errorf("Open in %s: %v, want an error that names it", no, err)
		}
	}
}

func TestLoad_Broken(t *testing.T) {
	d := reserve(t, t.TempDir(), "web")
	path := filepath.Join(d.Path(), "state.json")
	for _, content := range []string{"", "{", `{"init_process_pid":"x"}`, "[]", "\x00"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := d.Load()
		if e, ok := errors.AsType[*fs.PathError](err); !ok || e.Op != "decode" || e.Path != path {
			t.Errorf("state.json %q: %v, want an error of %s", content, err, path)
		}
	}
	// A link that somebody left there is no state.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/self/status", path); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Load(); !errors.Is(err, unix.ELOOP) {
		t.Errorf("state.json is a link: %v, want ELOOP", err)
	}
}

// TestReserve_OneWins: of many that want the same id at once, one gets it.
func TestReserve_OneWins(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root") // made by whoever is first
	t.Run("goroutines", func(t *testing.T) {
		const n = 64
		start, errs := make(chan bool), make(chan error, n)
		for range n {
			go func() {
				<-start
				_, err := Reserve(root, "web")
				errs <- err
			}()
		}
		close(start)
		won, exists := 0, 0
		for range n {
			switch err := <-errs; {
			case err == nil:
				won++
			case errors.Is(err, ErrExist):
				exists++
			default:
				t.Error(err)
			}
		}
		if won != 1 || exists != n-1 {
			t.Errorf("%d won, %d found it taken, want 1 and %d", won, exists, n-1)
		}
	})
	t.Run("processes", func(t *testing.T) {
		const n = 12
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		out := make([]bytes.Buffer, n)
		var wg sync.WaitGroup
		for i := range n {
			cmd := reserver(filepath.Join(root, "other"), "web")
			cmd.Stdin, cmd.Stdout = read, &out[i]
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				if err := cmd.Wait(); err != nil {
					t.Errorf("%v: %s", err, out[i].String())
				}
			})
		}
		write.Close()
		wg.Wait()
		read.Close()
		won, exists := 0, 0
		for i := range out {
			switch s := out[i].String(); {
			case strings.HasPrefix(s, "won "):
				won++
			case s == "exists\n":
				exists++
			}
		}
		if won != 1 || exists != n-1 {
			t.Errorf("%d won, %d found it taken, want 1 and %d", won, exists, n-1)
		}
	})
}

// TestModes: who may look is not for the caller's umask to decide.
func TestModes(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o777} {
		t.Run(fmt.Sprintf("umask %#o", umask), func(t *testing.T) {
			base := t.TempDir()
			root := filepath.Join(base, "root")
			old := unix.Umask(umask)
			defer unix.Umask(old)
			d := reserve(t, root, "web")
			if err := d.Save(full("web")); err != nil {
				t.Fatal(err)
			}
			if err := d.SaveConfig([]byte("{}")); err != nil {
				t.Fatal(err)
			}
			fifo, err := d.MakeFifo(os.Geteuid(), os.Getegid())
			if err != nil {
				t.Fatal(err)
			}
			defer fifo.Close()
			for name, want := range map[string]fs.FileMode{
				"root": 0o700, "root/web": 0o711, "root/web/state.json": 0o600, "root/web/config.json": 0o600, "root/web/exec.fifo": 0o622,
			} {
				fi, err := os.Lstat(filepath.Join(base, name))
				if err != nil {
					t.Fatal(err)
				}
				if fi.Mode().Perm() != want {
					t.Errorf("%s has mode %#o, want %#o", name, fi.Mode().Perm(), want)
				}
			}
		})
	}
}

// TestLoad_NeverHalf: a reader that takes no lock sees a whole state while another writes.
func TestLoad_NeverHalf(t *testing.T) {
	root := t.TempDir()
	d := reserve(t, root, "web")
	long := &State{ID: "web", Bundle: strings.Repeat("x", 60_000), InitPid: 1}
	short := &State{ID: "web", Bundle: "short", InitPid: 2}
	if err := d.Save(long); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan bool), make(chan error)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := d.Save([]*State{long, short}[i%2]); err != nil {
				stopped <- err
				return
			}
		}
	}()
	reader := open1(t, root, "web")
	seen := map[int]int{}
	// On a busy machine the writer may not come to its turn at first.
	for end := time.Now().Add(20 * time.Second); len(seen) < 2 && time.Now().Before(end) || seen[1]+seen[2] < 3000; {
		s, err := reader.Load()
		if err != nil {
			t.Errorf("Load: %v", err)
			break
		}
		if !reflect.DeepEqual(s, long) && !reflect.DeepEqual(s, short) {
			t.Errorf("neither state: pid %d, bundle of %d bytes", s.InitPid, len(s.Bundle))
			break
		}
		seen[s.InitPid]++
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if !t.Failed() && len(seen) != 2 {
		t.Errorf("saw the states %v: the writer was never at work beside the reader", seen)
	}
}

func TestFifo(t *testing.T) {
	d := reserve(t, t.TempDir(), "web")
	if d.HasFifo() {
		t.Error("a fifo before it was made")
	}
	if _, err := d.OpenFifo(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("OpenFifo: %v, want fs.ErrNotExist", err)
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = 1000, 1001
	}
	f, err := d.MakeFifo(uid, gid)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if st.Mode != unix.S_IFIFO|0o622 || int(st.Uid) != uid || int(st.Gid) != gid {
		t.Errorf("mode %#o of %d:%d, want a fifo of %d:%d", st.Mode, st.Uid, st.Gid, uid, gid)
	}
	if _, err := d.MakeFifo(uid, gid); !errors.Is(err, fs.ErrExist) {
		t.Errorf("MakeFifo twice: %v, want fs.ErrExist", err)
	}
	r, err := d.OpenFifo()
	if err != nil || !d.HasFifo() {
		t.Fatalf("OpenFifo: %v; has one: %v", err, d.HasFifo())
	}
	r.Close()
	if err := d.RemoveFifo(); err != nil || d.HasFifo() {
		t.Errorf("RemoveFifo: %v; has one: %v", err, d.HasFifo())
	}
	// What is not the runtime's own is not followed.
	if err := os.Symlink("/dev/null", filepath.Join(d.Path(), "exec.fifo")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.OpenFifo(); !errors.Is(err, unix.ELOOP) {
		t.Errorf("OpenFifo of a link: %v, want ELOOP", err)
	}
}

func TestRetire(t *testing.T) {
	d := reserve(t, t.TempDir(), "web")
	if _, err := d.LoadRetired(); !errors.Is(err, ErrNoState) {
		t.Errorf("before: %v, want ErrNoState", err)
	}
	if err := d.Save(&State{ID: "web"}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second time by who goes on with it
		if err := d.Retire(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Load(); !errors.Is(err, ErrNoState) {
		t.Errorf("Load: %v, want ErrNoState", err)
	}
	if s, err := d.LoadRetired(); err != nil || s.ID != "web" {
		t.Errorf("LoadRetired: %+v, %v", s, err)
	}
	if err := d.Remove(); err != nil {
		t.Error(err)
	}
}

func TestNotifyDir(t *testing.T) {
	d := reserve(t, t.TempDir(), "web")
	if err := d.MakeNotifyDir(); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(d.NotifyDir()); err != nil || !fi.IsDir() || filepath.Dir(d.NotifyDir()) != d.Path() {
		t.Errorf("%s: %v", d.NotifyDir(), err)
	}
}

func TestList(t *testing.T) {
	root := t.TempDir()
	if _, err := List(filepath.Join(root, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no root: %v, want fs.ErrNotExist", err)
	}
	if ids, err := List(root); err != nil || len(ids) != 0 {
		t.Errorf("an empty root: %v, %v", ids, err)
	}
	reserve(t, root, "b")
	reserve(t, root, "a.1")
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"with space", "wéb"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("b", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if ids, err := List(root); err != nil || !slices.Equal(ids, []string{"a.1", "b"}) {
		t.Errorf("%v, %v, want [a.1 b]", ids, err)
	}
}
