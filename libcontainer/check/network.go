package check

import (
	"strings"

	"tare/internal/sys"
)

// netDevices looks for the host's network devices that are to be moved into the container.
func (c *checker) netDevices() {
	if c.spec.Linux == nil || len(c.spec.Linux.NetDevices) == 0 {
		return
	}
	text, err := sys.ReadFile("/proc/self/net/dev")
	if err != nil {
		return
	}
	there := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			there[strings.TrimSpace(name)] = true
		}
	}
	for name := range c.spec.Linux.NetDevices {
		if there[name] || c.hasProblem(at("linux", "netDevices", name)) {
			continue
		}
		c.add(Finding{
			ID: "net-device-absent", Severity: Error, Pointer: at("linux", "netDevices", name), Message: "this host has no network device of that name",
			Why: section("/linux/netDevices"), Mend: "ip link shows those that are there",
		})
	}
}
