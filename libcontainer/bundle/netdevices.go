package bundle

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/namespace"
)

// interfaceNameLimit is IFNAMSIZ without the NUL.
const interfaceNameLimit = 15

func checkNetDevices(r *report, spec *specs.Spec) {
	if spec.Linux == nil || len(spec.Linux.NetDevices) == 0 {
		return
	}
	if !namespace.Has(spec.Linux, specs.NetworkNamespace) {
		r.add("/linux/netDevices", "needs a namespace of type \"network\" in linux.namespaces")
	}
	taken := make(map[string]string, len(spec.Linux.NetDevices))
	for _, host := range sortedKeys(spec.Linux.NetDevices) {
		if !isInterfaceName(host) || strings.Contains(host, "%") {
			r.add(at("linux", "netDevices", host), "is no name of a network device: %s", interfaceNameForm)
		}
		name := spec.Linux.NetDevices[host].Name
		if name == "" {
			name = host
		} else if !isInterfaceName(name) {
			r.add(at("linux", "netDevices", host, "name"), "is no name of a network device, got %s: %s", quote(name), interfaceNameForm)
		} else if strings.Contains(strings.TrimSuffix(name, "%d"), "%") {
			r.add(at("linux", "netDevices", host, "name"), "may have one %%d, at its end, got %s", quote(name))
		}
		if strings.HasSuffix(name, "%d") {
			continue // the kernel finds a free one
		}
		if other, twice := taken[name]; twice {
			r.add(at("linux", "netDevices", host, "name"), "%s is already the name of %s", quote(name), at("linux", "netDevices", other))
		}
		taken[name] = host
	}
}

const interfaceNameForm = "want 1 to 15 bytes without spaces, slashes and colons"

// isInterfaceName follows dev_valid_name (net/core/dev.c).
func isInterfaceName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > interfaceNameLimit {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c == '/', c == ':', c <= ' ', c == 0x7f, c == 0xa0:
			return false
		}
	}
	return true
}
