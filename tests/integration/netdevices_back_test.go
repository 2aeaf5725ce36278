package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// Whatever fails after the move, the device comes back with its name, state, addresses, routes and bridge, and it is the one it was.
func TestNetDeviceComesBack(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.veth("wan", "wan-peer")
	h.ip("link add port type veth peer name port-peer")
	h.ip("link add bri type bridge")
	h.ip("link set bri up")
	h.ip("link set port master bri up")
	h.ip("link add idle type veth peer name idle-peer")
	h.ip("addr add 10.5.5.5/24 dev idle")
	before := h.view()
	fails := specs.Hook{Path: "/bin/false"}
	owner := NewContainer(t, Args("sleep"), func(s *specs.Spec) {
		s.Linux.Sysctl = map[string]string{"net.ipv6.conf.default.disable_ipv6": "1"}
	})
	noIPv6 := WithNamespace(specs.NetworkNamespace, nsPath(owner.Create(), specs.NetworkNamespace))
	for name, edit := range map[string]Edit{
		"createRuntime":     func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{fails}} },
		"createContainer":   func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{fails}} },
		"sysctl":            func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net.ipv4.nonsense": "1"} },
		"executable":        Args("/no/such/program"),
		"user namespace":    func(s *specs.Spec) { WithUserNamespace(100000, 65536)(s); Args("/no/such/program")(s) },
		"name by template":  func(s *specs.Spec) { s.Linux.NetDevices["wan"] = specs.LinuxNetDevice{Name: "x%d"}; Args("/none")(s) },
		"IPv6 switched off": noIPv6,
	} {
		h.run(name, func(t *testing.T, h *host) {
			c := NewContainer(t, withDevices("wan", "eth0", "port", "", "idle", "eth1"), edit)
			c.Tare("create", "--bundle", c.Dir, c.ID).Exit(t, 1)
			if left := c.Gone(); left != nil {
				t.Errorf("the failed create left %v", left)
			}
			h.same(before)
		})
	}
}

// The index that a device has in the container, where another one has its own, is not the one that it comes back with.
func TestNetDeviceIndex(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.veth("wan", "wan-peer")
	owner := NewContainer(t, Args("sleep"))
	pid := owner.Create()
	for i := range 8 {
		h.ipIn(pid, fmt.Sprintf("link add x%d type veth peer name y%d", i, i))
	}
	before := h.view()
	c := NewContainer(t, withDevices("wan", "eth0"), WithNamespace(specs.NetworkNamespace, nsPath(pid, specs.NetworkNamespace)), Args("/none"))
	c.Tare("create", "--bundle", c.Dir, c.ID).Exit(t, 1)
	h.same(before)
}

// config-linux.md: the runtime does not take a device out of the namespace before deletion.
func TestNetDeviceDelete(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.veth("wan", "wan-peer")
	owner := NewContainer(t, Args("sleep"))
	pid := owner.Create()
	c := NewContainer(t, Args("sleep"), withDevices("wan", "eth0"), WithNamespace(specs.NetworkNamespace, nsPath(pid, specs.NetworkNamespace)))
	c.Create()
	c.Tare("delete", "--force", c.ID).OK(t)
	if l := h.links(pid)["eth0"]; len(l.AddrInfo) == 0 {
		t.Errorf("devices %+v, want eth0 still", h.links(pid))
	}
	if strings.Contains(h.ip("link"), " wan@") {
		t.Error("the device is back on the host")
	}
}

// L01 for devices: when the runtime is killed, `delete --force` brings them back, wherever they are.
func TestNetDeviceKilledRuntime(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.veth("wan", "wan-peer")
	h.ip("link add port type veth peer name port-peer")
	before := h.view()
	for _, kind := range []string{"new", "joined"} {
		h.run(kind, func(t *testing.T, h *host) {
			c := NewContainer(t, withDevices("wan", "eth%d", "port", "eth%d"), func(s *specs.Spec) {
				s.Hooks = &specs.Hooks{}
			})
			log := filepath.Join(c.Dir, "log")
			c.Spec.Hooks.CreateRuntime = []specs.Hook{HookRecord(log, "slow", "0", "3600")}
			if kind == "joined" {
				owner := NewContainer(t, Args("sleep"))
				WithNamespace(specs.NetworkNamespace, nsPath(owner.Create(), specs.NetworkNamespace))(c.Spec)
			}
			c.WriteSpec(t)
			cmd := c.Command("create", "--bundle", c.Dir, c.ID)
			Begin(t, cmd)
			Eventually(t, "the hook", func() bool { _, err := os.Stat(log); return err == nil })
			if strings.Contains(h.ip("link"), " wan@") {
				t.Error("the device is still on the host")
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			c.Tare("delete", "--force", c.ID).OK(t)
			if left := c.Gone(); left != nil {
				t.Errorf("delete --force left %v", left)
			}
			h.same(before)
		})
	}
}

// The same at any moment: whatever is on its way then comes back.
func TestNetDeviceKilledAnywhere(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.veth("wan", "wan-peer")
	h.ip("link add port type veth peer name port-peer")
	h.ip("link add idle type veth peer name idle-peer")
	before := h.view()
	c := NewContainer(t, Args("sleep"), withDevices("wan", "eth%d", "port", "wan", "idle", ""))
	moved := 0
	for i := range 30 {
		cmd := c.Command("create", "--bundle", c.Dir, c.ID)
		Begin(t, cmd)
		time.Sleep(time.Duration(i) * time.Millisecond)
		_ = cmd.Process.Kill()
		if cmd.Wait() == nil {
			break // from here on it is too late
		}
		if strings.Contains(h.ip("link"), "tare-") || !strings.Contains(h.ip("link"), " idle@") {
			moved++
		}
		c.Tare("delete", "--force", c.ID).OK(t)
		if left := c.Gone(); left != nil {
			t.Errorf("round %d: left %v", i, left)
		}
		if h.same(before); t.Failed() {
			return
		}
	}
	t.Logf("%d were killed while a device was away", moved)
}
