package integration

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

func withDevices(pairs ...string) Edit {
	return func(s *specs.Spec) {
		s.Linux.NetDevices = make(map[string]specs.LinuxNetDevice)
		for i := 0; i < len(pairs); i += 2 {
			s.Linux.NetDevices[pairs[i]] = specs.LinuxNetDevice{Name: pairs[i+1]}
		}
	}
}

// config-linux.md, Network Devices: name, attributes, permanent global addresses of any family, up.
func TestNetDevice(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.veth("wan", "wan-peer")
	h.ip("link add plain type veth peer name plain-peer")
	c := NewContainer(t, Args("sleep"), withDevices("wan", "fifteen-bytes--", "plain", ""))
	pid := c.Create()
	links := h.links(pid)
	if len(links) != 3 {
		t.Fatalf("devices %v, want lo and the two", links)
	}
	if p, ok := links["plain"]; !ok || !strings.Contains(strings.Join(p.Flags, " "), "UP") {
		t.Errorf("the device that was down, and keeps its name: %+v", p)
	}
	l := links["fifteen-bytes--"]
	if l.MTU != 1400 || l.Txqlen != 77 || l.Address != "02:00:00:aa:bb:cc" || l.Ifalias != "wan" || l.Group != "5" {
		t.Errorf("attributes: %+v", l)
	}
	if !strings.Contains(strings.Join(l.Flags, " "), "UP") {
		t.Errorf("flags %v, want UP", l.Flags)
	}
	var got []address
	for _, a := range l.AddrInfo {
		if !strings.HasPrefix(a.Local, "fe80:") {
			got = append(got, a)
		}
	}
	name := l.Ifname
	want := []address{
		{Local: "10.1.2.3", Address: "10.9.9.9", Prefixlen: 24, Broadcast: "10.9.9.255", Metric: 77, Label: "wan:x", Scope: "global"},
		{Local: "10.1.2.4", Prefixlen: 24, Broadcast: "10.1.2.255", Label: name, Scope: "global"},
		{Local: "10.7.7.7", Prefixlen: 24, Label: name, Scope: "global", Deprecated: true},
		{Local: "10.1.2.5", Prefixlen: 24, Label: name, Scope: "global", Secondary: true},
		{Local: "10.1.2.6", Prefixlen: 24, Label: name, Scope: "global", Secondary: true, Noprefixroute: true},
		{Local: "2001:db8::6", Prefixlen: 64, Scope: "global", Nodad: true, Deprecated: true},
		{Local: "2001:db8::5", Address: "2001:db8::9", Prefixlen: 128, Scope: "global", Nodad: true, Metric: 99},
		{Local: "2001:db8::1", Prefixlen: 64, Scope: "global", Nodad: true},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("addresses\n%+v, want\n%+v", got, want)
	}
	c.Start()
	c.WaitStatus(specs.StateRunning)
}

// A short name leaves room for the part of a label that is behind the device's name.
func TestNetDeviceLabel(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.veth("wan", "wan-peer")
	c := NewContainer(t, Args("sleep"), withDevices("wan", "eth0"))
	for _, a := range h.links(c.Create())["eth0"].AddrInfo {
		if a.Local == "10.1.2.3" && a.Label != "eth0:x" {
			t.Errorf("label %q, want eth0:x", a.Label)
		}
	}
}

// The kernel picks the number of a %d, and the device that got it gets the addresses: both where nobody has the name, and where
// others have some.
func TestNetDeviceTemplate(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.ip("link add one type veth peer name one-peer")
	h.ip("link add two type veth peer name two-peer")
	h.ip("link add eth7 type veth peer name c-peer") // its own name would do
	for i, name := range []string{"one", "two", "eth7"} {
		h.ip(fmt.Sprintf("addr add 10.0.%d.1/24 dev %s", i, name))
	}
	c := NewContainer(t, Args("sleep"), withDevices("one", "eth%d", "two", "eth%d", "eth7", "eth%d"))
	links := h.links(c.Create())
	found := make(map[string]bool)
	for _, name := range []string{"eth0", "eth1", "eth2"} {
		for _, a := range links[name].AddrInfo {
			found[a.Local] = true
		}
	}
	if len(links) != 4 || !found["10.0.0.1"] || !found["10.0.1.1"] || !found["10.0.2.1"] {
		t.Errorf("devices %+v", links)
	}
}

// A name that another device of the container has is an error before anything is moved; with %d it is none.
func TestNetDeviceNameTaken(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.veth("wan", "wan-peer")
	h.ip("link add plain type veth peer name plain-peer")
	owner := NewContainer(t, Args("sleep"))
	pid := owner.Create()
	h.ipIn(pid, "link add eth0 type veth peer name wan")
	before := h.view()
	join := WithNamespace(specs.NetworkNamespace, nsPath(pid, specs.NetworkNamespace))
	for name, devices := range map[string]Edit{
		"taken":     withDevices("plain", "first", "wan", "eth0"),
		"own taken": withDevices("plain", "first", "wan", ""),
		"lo":        withDevices("wan", "lo"),
	} {
		c := NewContainer(t, join, devices)
		c.Run().Fails(t, `linux.netDevices["wan"] (/linux/netDevices/wan): the container's network namespace has a device called `, " already: file exists")
		if left := c.Gone(); left != nil {
			t.Errorf("%s: the failed run left %v", name, left)
		}
		h.same(before)
	}
	c := NewContainer(t, Args("sleep"), join, withDevices("wan", "eth%d"))
	c.Create()
	if l := h.links(pid)["eth1"]; len(l.AddrInfo) == 0 {
		t.Errorf("devices %+v, want eth1 with addresses", h.links(pid))
	}
}

func TestNetDeviceErrors(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.veth("wan", "wan-peer")
	h.ip("link property add dev wan altname wide-area-network-of-ours")
	h.ip("link add bri type bridge")
	before := h.view()
	for name, tt := range map[string]struct {
		edit  Edit
		texts []string
	}{
		"missing": {withDevices("wan", "", "none", ""), []string{"/linux/netDevices/none", "no such device"}},
		"not to be moved": {withDevices("bri", "", "wan", ""), []string{
			"/linux/netDevices/bri", "move it into the container's network namespace: invalid argument", "bridges",
		}},
		"no namespace": {func(s *specs.Spec) {
			withDevices("wan", "")(s)
			WithoutNamespace(specs.NetworkNamespace)(s)
			WithoutMount("/sys")(s)
		}, []string{"/linux/netDevices", `namespace of type "network"`}},
		"the host's": {func(s *specs.Spec) {
			withDevices("wan", "eth0")(s)
			path := fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
			WithNamespace(specs.NetworkNamespace, path)(s)
			WithoutMount("/sys")(s)
		}, []string{"/linux/netDevices", "the runtime's own"}},
		"twice": {withDevices("wan", "a", "wan-peer", "a"), []string{"/linux/netDevices/wan-peer/name", "already"}},
	} {
		h.run(name, func(t *testing.T, h *host) {
			c := NewContainer(t, tt.edit)
			c.Run().Fails(t, tt.texts...)
			if left := c.Gone(); left != nil {
				t.Errorf("the failed run left %v", left)
			}
			h.same(before)
		})
	}
}

// With a user namespace the container's network namespace is not the host's root's, who may do everything in it nevertheless.
func TestNetDeviceUserNamespace(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.veth("wan", "wan-peer")
	c := NewContainer(t, Args("sleep"), WithUserNamespace(100000, 65536), withDevices("wan", "eth0"))
	pid := c.Create()
	if l := h.links(pid)["eth0"]; len(l.AddrInfo) < 8 {
		t.Errorf("devices %+v, want eth0 with its addresses", h.links(pid))
	}
}

// A sysctl of the container can be about a device that came in.
func TestNetDeviceSysctl(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.veth("wan", "wan-peer")
	c := NewContainer(t, Args("sleep"), withDevices("wan", "eth0.100"), func(s *specs.Spec) {
		s.Linux.Sysctl = map[string]string{"net/ipv4/conf/eth0.100/forwarding": "1", "net.ipv6.conf.eth0/100.hop_limit": "33"}
	})
	pid := c.Create()
	for key, want := range map[string]string{"net/ipv4/conf/eth0.100/forwarding": "1", "net/ipv6/conf/eth0.100/hop_limit": "33"} {
		if got := h.do("nsenter", "-t", strconv.Itoa(pid), "-n", "cat", "/proc/sys/"+key); strings.TrimSpace(got) != want {
			t.Errorf("%s is %q, want %s", key, got, want)
		}
	}
}

// An alternative name finds a device, which is called by its name in the container.
func TestNetDeviceAlternativeName(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.ip("link add wan type veth peer name wan-peer")
	h.ip("link property add dev wan altname uplink")
	c := NewContainer(t, Args("sleep"), withDevices("uplink", ""))
	if links := h.links(c.Create()); links["wan"].Ifname != "wan" {
		t.Errorf("devices %v, want wan", links)
	}
	twice := NewContainer(t, withDevices("wan", "a", "uplink", "b"))
	h.ip("link add wan type veth peer name wan-peer2")
	h.ip("link property add dev wan altname uplink")
	twice.Run().Fails(t, "is another name of the device")
}
