package v2

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The user gets what the kernel lists, as far as it is there, and nothing else; and then can make a cgroup and move into it.
func TestDelegate(t *testing.T) {
	tree, path := scratch(t)
	if err := os.Chmod(tree.Mount+path, 0o755); err != nil {
		t.Fatal(err)
	}
	c := create(t, tree, path+"/web")
	const uid = 54321
	if err := c.Delegate(uid); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(delegateList)
	if errors.Is(err, fs.ErrNotExist) {
		list = []byte(delegated)
	} else if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range append([]string{"."}, names(files)...) {
		var st unix.Stat_t
		if err := unix.Lstat(c.Dir+"/"+name, &st); err != nil {
			t.Fatal(err)
		}
		want := uint32(os.Geteuid())
		if name == "." || slices.Contains(strings.Fields(string(list)), name) {
			want = uid
			found++
		}
		if st.Uid != want {
			t.Errorf("%s belongs to %d, want %d", name, st.Uid, want)
		}
	}
	if found < 4 {
		t.Errorf("%d files are delegated", found)
	}
	cmd := exec.Command("/bin/sh", "-c", `mkdir "$0/mine" && echo $$ > "$0/mine/cgroup.procs"`, c.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}, UseCgroupFD: true}
	dir, err := os.Open(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cmd.SysProcAttr.CgroupFD = int(dir.Fd())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func names(files []os.DirEntry) (all []string) {
	for _, f := range files {
		all = append(all, f.Name())
	}
	return all
}

func TestDelegateGone(t *testing.T) {
	tree, path := scratch(t)
	c := create(t, tree, path+"/web")
	c.Undo()
	if err := c.Delegate(1); !errors.Is(err, unix.ENOENT) {
		t.Errorf("error %v, want ENOENT", err)
	}
}
