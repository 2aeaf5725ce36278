package state

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// reserverArg0 has the test binary reserve the id args[2] in args[1], once its standard input ends, and say how it went.
const reserverArg0 = "state-test-reserver"

func TestMain(m *testing.M) {
	if os.Args[0] == reserverArg0 {
		_, _ = os.Stdin.Read(make([]byte, 1))
		d, err := Reserve(os.Args[1], os.Args[2])
		switch {
		case err == nil:
			fmt.Println("won", d.Path())
			os.Exit(0)
		case errors.Is(err, ErrExist):
			fmt.Println("exists")
			os.Exit(0)
		}
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func reserver(root, id string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{reserverArg0, root, id}
	return cmd
}

func reserve(t *testing.T, root, id string) *Dir {
	t.Helper()
	d, err := Reserve(root, id)
	if err != nil {
		t.Fatalf("Reserve: %v", err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func open1(t *testing.T, root, id string) *Dir {
	t.Helper()
	d, err := Open(root, id)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}
