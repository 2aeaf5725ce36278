package keyring

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// joinerArg0 has the test binary join a keyring and tell what it sees: a session keyring is a process's own.
const joinerArg0 = "keyring-test-joiner"

func init() { runtime.LockOSThread() } // a session keyring is a thread's: here that of the main goroutine

func TestMain(m *testing.M) {
	if os.Args[0] == joinerArg0 {
		if err := joiner(os.Args[1]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func joiner(id string) error {
	if _, err := unix.KeyctlJoinSessionKeyring("callers"); err != nil {
		return fmt.Errorf("the caller's keyring: %w", err)
	}
	before, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if err != nil {
		return err
	}
	key, err := unix.AddKey("user", "secret", []byte("of the caller"), unix.KEY_SPEC_SESSION_KEYRING)
	if err != nil {
		return err
	}
	if n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, key, make([]byte, 100), 0); err != nil || n != len("of the caller") {
		return fmt.Errorf("the caller cannot read its own key: %d bytes, %w", n, err)
	}
	if err := Join(id); err != nil {
		return err
	}
	after, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if err != nil {
		return err
	}
	description, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, after)
	if err != nil {
		return err
	}
	keys, err := unix.KeyctlBuffer(unix.KEYCTL_READ, after, make([]byte, 100), 0)
	if err != nil {
		return err
	}
	_, search := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", "secret", 0)
	// As a user of the same uid the key is found no more by possession.
	_, read := unix.KeyctlBuffer(unix.KEYCTL_READ, key, make([]byte, 100), 0)
	fmt.Printf("fresh %v\ndescription %s\nbytes %d\nsearch %v\nread %v\n",
		before != after, description, keys, search, read)
	return nil
}

// TestJoin: the container's keyring is new and empty, and the keys of whoever called the runtime are out of reach (A05).
func TestJoin(t *testing.T) {
	if _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false); errors.Is(err, unix.ENOSYS) {
		t.Skip("this kernel has no keyrings")
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{joinerArg0, "web-1"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "the caller's keyring:") {
			t.Skipf("keyrings are closed to this process: %s", out)
		}
		t.Fatalf("%v: %s", err, out)
	}
	want := fmt.Sprintf(`fresh true
description keyring;%d;%d;3f0b0000;_ses.web-1
bytes 0
search required key not available
read permission denied
`, os.Geteuid(), os.Getegid())
	if string(out) != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
}
