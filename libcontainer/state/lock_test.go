package state

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const patience = 30 * time.Second // longer than a loaded machine needs

func TestLock_Busy(t *testing.T) {
	root := t.TempDir()
	holder := reserve(t, root, "web") // Reserve locks
	d := open1(t, root, "web")
	if !d.Locked() {
		t.Error("Locked says no, while another holds the lock")
	}
	if err := d.Lock(0); !errors.Is(err, ErrBusy) {
		t.Errorf("Lock(0): %v, want ErrBusy", err)
	}
	err := d.Lock(20 * time.Millisecond)
	if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "20ms") {
		t.Errorf("Lock(20ms): %v, want ErrBusy with the time in it", err)
	}
	if err := holder.Unlock(); err != nil {
		t.Fatal(err)
	}
	// The thread that waited for d has the lock now; the process ends with it, a test closes it.
	d.Close()
	if err := open1(t, root, "web").Lock(patience); err != nil {
		t.Errorf("Lock after Unlock: %v", err)
	}
}

func TestLock_FreeAgain(t *testing.T) {
	for name, release := range map[string]func(*Dir) error{"unlocked": (*Dir).Unlock, "closed": (*Dir).Close} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			holder := reserve(t, root, "web")
			if err := release(holder); err != nil {
				t.Fatal(err)
			}
			d := open1(t, root, "web")
			if d.Locked() {
				t.Error("Locked says yes")
			}
			if err := d.Lock(0); err != nil {
				t.Errorf("Lock: %v", err)
			}
			if other := open1(t, root, "web"); !other.Locked() {
				t.Error("Locked says no, once it is locked again")
			}
		})
	}
}

// waiting starts to wait for the lock of id, and lets the waiter come that far.
func waiting(t *testing.T, root, id string) <-chan error {
	t.Helper()
	d := open1(t, root, id)
	locked := make(chan error, 1)
	go func() { locked <- d.Lock(patience) }()
	select {
	case err := <-locked:
		t.Fatalf("Lock did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	return locked
}

func TestLock_Waits(t *testing.T) {
	root := t.TempDir()
	holder := reserve(t, root, "web")
	locked := waiting(t, root, "web")
	if err := holder.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-locked; err != nil {
		t.Errorf("Lock: %v", err)
	}
}

func TestLock_RemovedWhileWaiting(t *testing.T) {
	root := t.TempDir()
	holder := reserve(t, root, "web")
	locked := waiting(t, root, "web")
	if err := holder.Remove(); err != nil {
		t.Fatal(err)
	}
	// The id is taken by somebody else before the waiter has its turn: he must not get that one's container.
	reserve(t, root, "web")
	holder.Close()
	if err := <-locked; !errors.Is(err, ErrNotExist) {
		t.Errorf("Lock: %v, want ErrNotExist", err)
	}
}

func TestLock_RemovedBefore(t *testing.T) {
	root := t.TempDir()
	holder := reserve(t, root, "web")
	d := open1(t, root, "web")
	if err := holder.Remove(); err != nil {
		t.Fatal(err)
	}
	holder.Close()
	if err := d.Lock(0); !errors.Is(err, ErrNotExist) {
		t.Errorf("Lock: %v, want ErrNotExist", err)
	}
}
