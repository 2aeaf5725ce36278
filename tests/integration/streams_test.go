package integration

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// A process without privileges opens its standard streams again where they are pipes, whoever made them; what else they may be
// stays its owner's.
func TestStandardStreamsOfUser(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	owner, pid := running(t, WithUserNamespace(100000, 65536))
	t.Cleanup(func() { owner.Tare("kill", owner.ID, "KILL") })
	for name, tt := range map[string]struct {
		edit Edit
		uid  uint32 // on the host
	}{
		"no user namespace":     {func(*specs.Spec) {}, 1000},
		"user namespace":        {WithUserNamespace(100000, 65536), 101000},
		"several ranges":        {sparse, 300999},
		"joined user namespace": {WithNamespace(specs.UserNamespace, nsPath(pid, specs.UserNamespace)), 101000},
	} {
		t.Run(name, func(t *testing.T) {
			if !IsTare() {
				t.Skip("runc hands on pipes of its own, and crun gives away the host's /dev/null")
			}
			user := func(s *specs.Spec) { s.Process.User = specs.User{UID: 1000, GID: 1000} }
			c := NewContainer(t, tt.edit, user, Args("write", "/dev/stdout", "again"))
			through(t, c, c.Command("run", "--bundle", c.Dir, c.ID).Args[1:], tt.uid)

			c = NewContainer(t, tt.edit, Args("ignore-term"))
			c.Create()
			c.Start()
			through(t, c, []string{"--root", c.Root, "exec", "--user", "1000:1000", c.ID, "/probe", "write", "/dev/stdout", "again"}, tt.uid)
		})
	}
}

// through runs tare with a pipe as standard output and a file as standard error.
func through(t *testing.T, c *Container, args []string, uid uint32) {
	t.Helper()
	reader, writer := Pipe(t)
	file, err := os.Create(filepath.Join(c.Dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	before := onDisk(t, file.Name())
	cmd := c.Command()
	cmd.Args = append(cmd.Args[:1], args...)
	cmd.Stdout, cmd.Stderr = writer, file
	res := c.Do(cmd)
	var st unix.Stat_t
	if err := unix.Fstat(int(writer.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	said, _ := io.ReadAll(reader)
	wrong, _ := os.ReadFile(file.Name())
	if res.Code != 0 || string(said) != "againok\n" || st.Uid != uid {
		t.Errorf("%v: exit code %d, said %q and %q, the pipe is of %d, want %d", cmd.Args, res.Code, said, wrong, st.Uid, uid)
	}
	if after := onDisk(t, file.Name()); after != before {
		t.Errorf("a file was of %s, and is of %s", before, after)
	}
}

// The runtime may be started with any of its standard streams closed or as /dev/null.
func TestNullStreams(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("exit", "4"))
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var before, after unix.Stat_t
	if err := unix.Stat(os.DevNull, &before); err != nil {
		t.Fatal(err)
	}
	c.Spec.Process.User = specs.User{UID: 1234, GID: 1234}
	c.WriteSpec(t)
	cmd := c.Command("run", "--bundle", c.Dir, c.ID)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = null, null, null
	c.Do(cmd).Exit(t, 4)
	if err := unix.Stat(os.DevNull, &after); err != nil {
		t.Fatal(err)
	}
	if before.Uid != after.Uid || before.Mode != after.Mode {
		t.Errorf("the host's %s changed: uid %d mode %o, before %d %o", os.DevNull, after.Uid, after.Mode, before.Uid, before.Mode)
	}
}
