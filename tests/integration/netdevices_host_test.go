package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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
