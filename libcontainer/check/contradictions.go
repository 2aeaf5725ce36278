package check

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/mountopt"
	"tare/libcontainer/namespace"
)

// contradictions are what the specification allows, and nobody means.
func (c *checker) contradictions() {
	c.smallMemory()
	c.coveredMounts()
	c.deniedDevices()
	c.terminalGroup()
}

// smallest is less memory than any program starts in: a number of bytes that was meant as kilobytes or megabytes.
const smallest = 256 << 10

func (c *checker) smallMemory() {
	if c.spec.Linux == nil || c.spec.Linux.Resources == nil || c.spec.Linux.Resources.Memory == nil {
		return
	}
	limit := c.spec.Linux.Resources.Memory.Limit
	if limit == nil || *limit <= 0 || *limit >= smallest {
		return
	}
	c.add(Finding{
		ID: "memory-small", Severity: Warning, Pointer: at("linux", "resources", "memory", "limit"),
		Message: fmt.Sprintf("%d bytes are too little to start a program in", *limit), Why: section("/linux/resources/memory") + ": limits are in bytes",
		Mend: fmt.Sprintf("for %d megabytes write %d", *limit, *limit<<20),
	})
}

// coveredMounts looks for mounts that a later one hides.
func (c *checker) coveredMounts() {
	for i := range c.spec.Mounts {
		earlier := path.Clean("/" + c.spec.Mounts[i].Destination)
		if changes(&c.spec.Mounts[i]) {
			continue
		}
		for j := i + 1; j < len(c.spec.Mounts); j++ {
			later := path.Clean("/" + c.spec.Mounts[j].Destination)
			if later == "/" || changes(&c.spec.Mounts[j]) || !below(earlier, later) {
				continue
			}
			c.add(Finding{
				ID: "mount-hidden", Severity: Warning, Pointer: at("mounts", i),
				Message: fmt.Sprintf("%s is hidden by the mount on %s, which comes later (%s)", earlier, later, at("mounts", j)),
				Why:     section("/mounts") + ": mounts are made in listed order", Mend: fmt.Sprintf("put %s in front of %s, or take one away", at("mounts", j), at("mounts", i)),
			})
			break
		}
	}
}

// changes says that a mount of the config changes one that is there already.
func changes(m *specs.Mount) bool {
	o, err := mountopt.Parse(m.Options)
	if err != nil || o.Has(mountopt.Remount) {
		return true
	}
	return len(o.Propagation) > 0 && !o.Has(mountopt.Bind) && (m.Type == "" || m.Type == "none")
}

// deniedDevices looks for devices that the container gets, and may not open.
func (c *checker) deniedDevices() {
	if c.spec.Linux == nil || c.spec.Linux.Resources == nil || len(c.spec.Linux.Resources.Devices) == 0 {
		return
	}
	for i := range c.spec.Linux.Devices {
		d := &c.spec.Linux.Devices[i]
		if d.Type == "p" || allowed(c.spec.Linux.Resources.Devices, d) || usual(d) {
			continue
		}
		c.add(Finding{
			ID: "device-denied", Severity: Warning, Pointer: at("linux", "devices", i),
			Message: fmt.Sprintf("%s (%s %d:%d) may not be opened: linux.resources.devices does not allow it", d.Path, d.Type, d.Major, d.Minor),
			Why:     section("/linux/resources/devices") + ": rules are applied in listed order, the last one that fits counts",
			Mend:    fmt.Sprintf(`add {"allow": true, "type": "%s", "major": %d, "minor": %d, "access": "rwm"} to linux.resources.devices`, d.Type, d.Major, d.Minor),
		})
	}
}

// allowed says whether the rules let a device be read or written.
func allowed(rules []specs.LinuxDeviceCgroup, d *specs.LinuxDevice) bool {
	is := false
	for i := range rules {
		rule := &rules[i]
		kind := rule.Type == "" || rule.Type == "a" || rule.Type == d.Type || rule.Type == "c" && d.Type == "u"
		if kind && fits(rule.Major, d.Major) && fits(rule.Minor, d.Minor) && rule.Access != "m" {
			is = rule.Allow
		}
	}
	return is
}

func fits(rule *int64, number int64) bool { return rule == nil || *rule < 0 || *rule == number }

// usual says whether the device is one of those that every container may open (cgroups.md, Devices).
func usual(d *specs.LinuxDevice) bool {
	if d.Type == "b" {
		return false
	}
	switch d.Major {
	case 1:
		return d.Minor == 3 || d.Minor == 5 || d.Minor == 7 || d.Minor == 8 || d.Minor == 9
	case 5:
		return d.Minor <= 2
	case 10:
		return d.Minor == 200
	case 136:
		return true
	}
	return false
}

// terminalGroup looks for a group of the devpts mount that the user namespace does not have.
func (c *checker) terminalGroup() {
	if !namespace.Makes(c.spec.Linux, specs.UserNamespace) || len(c.spec.Linux.GIDMappings) == 0 {
		return
	}
	for i := range c.spec.Mounts {
		if c.spec.Mounts[i].Type != "devpts" {
			continue
		}
		for j, option := range c.spec.Mounts[i].Options {
			number, _ := strings.CutPrefix(option, "gid=")
			gid, err := strconv.ParseUint(number, 10, 32)
			if err != nil {
				continue
			}
			if _, mapped := toHost(c.spec.Linux.GIDMappings, uint32(gid)); !mapped {
				c.add(Finding{
					ID: "mount-group-unmapped", Severity: Error, Pointer: at("mounts", i, "options", j),
					Message: fmt.Sprintf("group %d is not mapped by linux.gidMappings", gid), Why: "user_namespaces(7): a file system takes mapped ids only (EINVAL)",
					Mend: "take the option away, or map the group",
				})
			}
		}
	}
}
