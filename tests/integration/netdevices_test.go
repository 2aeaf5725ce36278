package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// A host is a network namespace of a test's own that stands for the host's: the runtime is called in it, and the devices are made
// in it. The machine's own devices are never touched.
type host struct {
	t  *testing.T
	ns *os.File
}

// The main thread stays out of it: its network namespace is what /proc/self shows of the whole program.
func init() { runtime.LockOSThread() }

// newHost puts the test's goroutine, and what it calls from now on, into a new network namespace.
func newHost(t *testing.T) *host {
	t.Helper()
	NeedRoot(t)
	if out, err := exec.Command(NeedProgram(t, "ip"), "-V").CombinedOutput(); err != nil || !strings.Contains(string(out), "iproute2") {
		t.Skip("needs ip of iproute2, to make devices: busybox has another one")
	}
	if !IsTare() {
		t.Skip("network devices are younger than these releases")
	}
	runtime.LockOSThread() // and never unlock: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	h := &host{t, ns}
	h.ip("link set lo up")
	return h
}

// run runs a part of the test, which has a goroutine, and so a thread, of its own.
func (h *host) run(name string, f func(*testing.T, *host)) {
	h.t.Run(name, func(t *testing.T) {
		runtime.LockOSThread()
		if err := unix.Setns(int(h.ns.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Fatal(err)
		}
		f(t, &host{t, h.ns})
	})
}

// ip calls ip(8) in the host's namespace.
func (h *host) ip(args string) string {
	h.t.Helper()
	return h.do("ip", strings.Fields(args)...)
}

// ipIn calls it in the network namespace of a process.
func (h *host) ipIn(pid int, args string) string {
	h.t.Helper()
	return h.do("nsenter", append([]string{"-t", strconv.Itoa(pid), "-n", "ip"}, strings.Fields(args)...)...)
}

func (h *host) do(name string, args ...string) string {
	h.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// veth makes a pair, and its first end up with every kind of address.
func (h *host) veth(name, peer string) {
	h.t.Helper()
	h.ip("link add " + name + " address 02:00:00:aa:bb:cc mtu 1400 txqueuelen 77 type veth peer name " + peer)
	h.ip("link set " + name + " alias wan group 5")
	h.ip("link set " + peer + " up")
	h.ip("link set " + name + " up")
	for _, address := range []string{
		"10.1.2.3 peer 10.9.9.9/24 brd 10.9.9.255 metric 77 label " + name + ":x",
		"10.1.2.4/24 brd +",
		"10.1.2.5/24", // a secondary one
		"10.1.2.6/24 noprefixroute",
		"10.7.7.7/24 preferred_lft 0",
		"10.8.8.8/24 valid_lft 1000 preferred_lft 500",
		"10.3.3.3/24 scope link",
		"2001:db8::1/64 nodad",
		"2001:db8::5 peer 2001:db8::9/128 nodad metric 99",
		"2001:db8::6/64 nodad preferred_lft 0",
		"2001:db8::7/64 nodad valid_lft 1000 preferred_lft 500",
	} {
		h.ip("addr add " + address + " dev " + name)
	}
	Eventually(h.t, "the kernel's routes to them", func() bool {
		return strings.Count(h.ip("-6 route show table local dev "+name), "local 2001:db8::") == 4
	})
	h.ip("route add 8.8.8.8 dev " + name)
	h.ip("route add default via 10.1.2.200 dev " + name)
	h.ip("route add default via 10.1.2.201 dev " + name + " metric 50 table 33")
	h.ip("-6 route add default via 2001:db8::2 dev " + name)
}

// view is all that ip(8) tells of the host's devices, but for times and counters.
func (h *host) view() string {
	h.t.Helper()
	routes := strings.Split(h.ip("route show table all")+h.ip("-6 route show table all"), "\n")
	slices.Sort(routes)
	text := h.ip("-d addr show") + strings.Join(routes, "\n") + "\n"
	for _, r := range volatile {
		text = r.ReplaceAllString(text, "")
	}
	return text
}

var volatile = []*regexp.Regexp{
	regexp.MustCompile(`\d+sec`),
	regexp.MustCompile(`(gc|hello|tcn|topology_change)_timer +[\d.]+`),
	regexp.MustCompile(` (tentative|linkdown)`), // of the first second
	regexp.MustCompile(` link-netns(id)? \S+`),
	regexp.MustCompile(`(NO-CARRIER,|,LOWER_UP|state \S+)`),            // settle after the other end
	regexp.MustCompile(`(?m)^.*(fe80::|ff00::).*\n( +valid_lft.*\n)?`), // come by themselves with the carrier
}

// same waits until the host is as it was.
func (h *host) same(before string) {
	h.t.Helper()
	after := h.view()
	for end := time.Now().Add(Deadline() / 10); after != before && time.Now().Before(end); after = h.view() {
		time.Sleep(20 * time.Millisecond) // routes to addresses of IPv6 come a little later
	}
	for _, line := range strings.Split(before, "\n") {
		if !strings.Contains(after, line+"\n") {
			h.t.Errorf("the host had %q", line)
		}
	}
	for _, line := range strings.Split(after, "\n") {
		if !strings.Contains(before, line+"\n") {
			h.t.Errorf("the host has now %q", line)
		}
	}
	if after != before && !h.t.Failed() {
		h.t.Errorf("the host has another order:\n--- before\n%s\n--- after\n%s", before, after)
	}
}

type address struct {
	Local     string
	Address   string
	Prefixlen int
	Broadcast string
	Metric    int
	Label     string
	Secondary bool
	Nodad     bool

	Noprefixroute bool
	Deprecated    bool
	Scope         string
}

type link struct {
	Ifname, Address, Ifalias, Group string
	MTU, Txqlen                     int
	Flags                           []string
	AddrInfo                        []address `json:"addr_info"`
}

// links are the devices in the network namespace of a process.
func (h *host) links(pid int) map[string]link {
	h.t.Helper()
	var all []link
	if err := json.Unmarshal([]byte(h.ipIn(pid, "-j -d addr show")), &all); err != nil {
		h.t.Fatal(err)
	}
	byName := make(map[string]link)
	for _, l := range all {
		byName[l.Ifname] = l
	}
	return byName
}

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
