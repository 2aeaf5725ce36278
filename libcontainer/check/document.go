package check

import (
	"fmt"
	"path"
	"strings"

	"tare/internal/document"
	"tare/libcontainer/bundle"
	"tare/libcontainer/mountopt"
)

// text tells what the reader of the text has to say.
func (c *checker) text() {
	for i := range c.e.Text.Remarks {
		r := &c.e.Text.Remarks[i]
		f := Finding{
			ID: string(r.Kind), Severity: Warning, Pointer: at(r.Path...), Line: r.Line, Column: r.Column,
			Message: r.Message, Mend: r.Hint,
		}
		switch r.Kind {
		case document.Syntax:
			f.Severity, f.Why = Error, "config.json is one JSON object (RFC 8259)"
		case document.Type:
			f.Severity, f.Why = Error, section(f.Pointer)+": the field's type"
		case document.Unknown:
			f.Why = "runtime-spec, config.md, Extensibility: unknown properties are ignored"
		case document.Repeated:
			f.Why = "RFC 8259, section 4: names should be unique, or readers differ in what they take"
		case document.Case:
			f.Why = "RFC 8259: names are compared letter by letter"
		case document.Foreign:
			f.Why = section(f.Pointer)
			if f.Mend == "" {
				f.Mend = "take it away"
			}
		}
		c.add(f)
	}
}

// problems tells what the checks of the bundle found, which a create would refuse in the same words.
func (c *checker) problems() {
	for i := range c.e.Problems {
		p := &c.e.Problems[i]
		f := Finding{ID: name(p.Check), Severity: Error, Pointer: p.Pointer, Message: p.Message, Why: section(p.Pointer)}
		f.Mend = c.mendProblem(p)
		c.add(f)
	}
	for i := range c.e.Warnings {
		w := &c.e.Warnings[i]
		c.add(Finding{ID: name(w.Check), Severity: Warning, Pointer: w.Pointer, Message: w.Message, Why: section(w.Pointer), Mend: c.mendOption(w.Pointer)})
	}
}

// mendOption says what was meant by a bind mount's option that means nothing there.
func (c *checker) mendOption(pointer string) string {
	for i := range c.spec.Mounts {
		for j, option := range c.spec.Mounts[i].Options {
			if pointer != at("mounts", i, "options", j) {
				continue
			}
			switch option {
			case "readonly", "read-only":
				return "did you mean \"ro\"?"
			case "z", "Z", "U":
				return "take it away: it is one of Docker's and Podman's command line"
			}
			if near := document.Nearest(mountopt.Names(), option); near != "" {
				return "did you mean \"" + near + "\"?"
			}
			return "take it away"
		}
	}
	return ""
}

// name makes an id of a check's name.
func name(check string) string { return strings.ReplaceAll(check, " ", "-") }

// misspelt is where a name stands that may be meant for the last step of a pointer.
func (c *checker) misspelt(pointer string) (line int, found bool) {
	above, last := path.Split(pointer)
	for i := range c.e.Text.Remarks {
		r := &c.e.Text.Remarks[i]
		if r.Kind == document.Unknown && strings.HasSuffix(r.Hint, "\""+last+"\"?") && path.Dir(at(r.Path...)) == path.Clean(above) {
			return r.Line, true
		}
	}
	return 0, false
}

// mendProblem says what to do where the message, which says what is wanted, does not.
func (c *checker) mendProblem(p *bundle.Found) string {
	if line, found := c.misspelt(p.Pointer); found {
		return fmt.Sprintf("is it misspelt in line %d?", line)
	}
	switch {
	case p.Pointer == "/root/path":
		return "unpack a root file system there, or correct the path: it is relative to the directory of config.json"
	case p.Check == "user" && strings.Contains(p.Message, "not mapped"):
		return "map the id in linux.uidMappings or gidMappings, or run as one that is mapped"
	case strings.Contains(p.Message, "needs a namespace of type"), strings.Contains(p.Message, "needs a new namespace of type"):
		return "add an entry of this type to linux.namespaces"
	case p.Check == "version":
		return "write \"ociVersion\": \"1.3.0\""
	case strings.HasSuffix(p.Message, "must be absolute"), strings.HasPrefix(p.Message, "must be absolute"):
		return "begin the path with a slash"
	case strings.Contains(p.Message, "NAME=VALUE"):
		return "write the variable's name, = and its value in one string"
	case strings.HasPrefix(p.Message, "unknown value"):
		return nearestOf(p.Message)
	}
	return ""
}

// nearestOf finds in "unknown value "x", want a, b or c" which one may be meant.
func nearestOf(message string) string {
	given, wanted, ok := strings.Cut(strings.TrimPrefix(message, "unknown value "), ", want ")
	if !ok {
		return ""
	}
	names := strings.Split(strings.ReplaceAll(wanted, " or ", ", "), ", ")
	if near := document.Nearest(names, strings.Trim(given, `"`)); near != "" {
		return "did you mean \"" + near + "\"?"
	}
	return ""
}

// section is where the specification speaks of the value at a pointer.
func section(pointer string) string {
	steps := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	page, names := "config.md", rootSections()
	if steps[0] == "linux" && len(steps) > 1 {
		steps = steps[1:]
		page, names = "config-linux.md", linuxSections()
		if steps[0] == "resources" && len(steps) > 1 {
			steps = steps[1:]
			names = resourceSections()
		}
	}
	for _, n := range names {
		if n[0] == steps[0] {
			return "runtime-spec, " + page + ", " + n[1]
		}
	}
	return "runtime-spec, " + page
}

func rootSections() [][2]string {
	return [][2]string{
		{"ociVersion", "Specification version"},
		{"root", "Root"},
		{"mounts", "Mounts"},
		{"process", "Process"},
		{"hostname", "Hostname"},
		{"domainname", "Domainname"},
		{"hooks", "POSIX-platform Hooks"},
		{"annotations", "Annotations"},
	}
}

func linuxSections() [][2]string {
	return [][2]string{
		{"namespaces", "Namespaces"},
		{"uidMappings", "User namespace mappings"},
		{"gidMappings", "User namespace mappings"},
		{"timeOffsets", "Offset for Time Namespace"},
		{"devices", "Devices"},
		{"netDevices", "Network Devices"},
		{"cgroupsPath", "Cgroups Path"},
		{"resources", "Control groups"},
		{"intelRdt", "IntelRdt"},
		{"sysctl", "Sysctl"},
		{"seccomp", "Seccomp"},
		{"rootfsPropagation", "Rootfs Mount Propagation"},
		{"maskedPaths", "Masked Paths"},
		{"readonlyPaths", "Readonly Paths"},
		{"mountLabel", "Mount Label"},
		{"personality", "Personality"},
		{"memoryPolicy", "Memory policy"},
	}
}

func resourceSections() [][2]string {
	return [][2]string{
		{"devices", "Allowed Device list"},
		{"memory", "Memory"},
		{"cpu", "CPU"},
		{"blockIO", "Block IO"},
		{"hugepageLimits", "Huge page limits"},
		{"network", "Network"},
		{"pids", "PIDs"},
		{"rdma", "RDMA"},
		{"unified", "Unified"},
	}
}
