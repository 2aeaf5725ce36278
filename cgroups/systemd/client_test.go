package systemd

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tare/internal/dbus"
)

// A bus that takes connections and says nothing is an error in time, and nobody goes looking for another way round it.
func TestConnectHungBus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", dbus.PathAddress(path))
	for _, bus := range []string{System, dbus.PathAddress(path)} {
		begin := time.Now()
		_, err := connect(bus, 100*time.Millisecond)
		if !errors.Is(err, dbus.ErrTimeout) || !strings.Contains(err.Error(), path) {
			t.Errorf("bus %q: %v", bus, err)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("bus %q: it took %v", bus, took)
		}
	}
}

func TestConnectNoBus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus")
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", dbus.PathAddress(path))
	if _, err := Connect(System); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "connect to systemd: D-Bus socket "+path) {
		t.Errorf("system: %v", err)
	}
	if _, err := Connect(dbus.PathAddress(path)); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "enable-linger") {
		t.Errorf("user: %v", err)
	}
}

func TestFind(t *testing.T) {
	if _, err := os.Stat(booted); err != nil {
		if bus, err := Find(); err == nil || !strings.Contains(err.Error(), "this system was not booted with systemd") {
			t.Errorf("%q, %v", bus, err)
		}
		return
	}
	if os.Geteuid() == 0 {
		if bus, err := Find(); err != nil || bus != System {
			t.Errorf("root: %q, %v", bus, err)
		}
		return
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/5")
	if bus, err := Find(); err != nil || bus != "unix:path=/run/user/5/bus" {
		t.Errorf("a user: %q, %v", bus, err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:abstract=x")
	if bus, err := Find(); err != nil || bus != "unix:abstract=x" {
		t.Errorf("a user with a bus: %q, %v", bus, err)
	}
}
