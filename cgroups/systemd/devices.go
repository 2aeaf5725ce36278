package systemd

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Devices says what a list of device rules, of which the last one that speaks of a right decides, is as properties.
//
// systemd has a program of its own for them, and ours is attached beside it: the kernel asks both. So systemd's is to
// refuse nothing that ours allows, and then has no say, whenever it is attached again. What systemd cannot express is
// allowed here and left to ours: rules that take a part away from others, and a minor number of any major one.
func Devices(rules []specs.LinuxDeviceCgroup) []Property {
	allowed := make([]any, 0, len(rules))
	for i, r := range slices.Backward(rules) {
		if !everything(r) {
			continue
		}
		if r.Allow {
			return []Property{property("DeviceAllow", "a(ss)", allowed), property("DevicePolicy", "s", "auto")}
		}
		rules = rules[i+1:]
		break
	}
	access := map[string]string{} // systemd takes the last entry of a path for all of it
	var paths []string
	for _, r := range rules {
		if !r.Allow {
			continue
		}
		for _, path := range devicePaths(r) {
			if _, ok := access[path]; !ok {
				paths = append(paths, path)
			}
			access[path] = union(access[path], r.Access)
		}
	}
	for _, path := range paths {
		allowed = append(allowed, []any{path, access[path]})
	}
	return []Property{property("DeviceAllow", "a(ss)", allowed), property("DevicePolicy", "s", "strict")}
}

// NewDevices is Devices for a unit that has some: entries are added to those that it has, unless an empty list came first.
func NewDevices(rules []specs.LinuxDeviceCgroup) []Property {
	return append([]Property{property("DeviceAllow", "a(ss)", []any{})}, Devices(rules)...)
}

func everything(r specs.LinuxDeviceCgroup) bool {
	return (r.Type == "" || r.Type == "a") && wild(r.Major) && wild(r.Minor) && union("", r.Access) == "rwm"
}

func wild(n *int64) bool { return n == nil || *n == -1 }

// devicePaths names the devices of a rule as DeviceAllow= does. A node need not be there.
func devicePaths(r specs.LinuxDeviceCgroup) []string {
	kinds := []string{"char", "block"}
	switch r.Type {
	case "c":
		kinds = kinds[:1]
	case "b":
		kinds = kinds[1:]
	}
	var paths []string
	for _, kind := range kinds {
		switch {
		case wild(r.Major):
			paths = append(paths, kind+"-*")
		case *r.Major >= 1<<12 || !wild(r.Minor) && *r.Minor >= 1<<20: // no device has such a number
		case wild(r.Minor):
			paths = append(paths, fmt.Sprintf("%s-%d", kind, *r.Major))
		default:
			paths = append(paths, fmt.Sprintf("/dev/%s/%d:%d", kind, *r.Major, *r.Minor))
		}
	}
	return paths
}

// union has the rights of both, in systemd's order; none in b means all.
func union(a, b string) string {
	if b == "" {
		return "rwm"
	}
	var all []byte
	for _, right := range []byte("rwm") {
		if slices.Contains([]byte(a), right) || slices.Contains([]byte(b), right) {
			all = append(all, right)
		}
	}
	return string(all)
}
