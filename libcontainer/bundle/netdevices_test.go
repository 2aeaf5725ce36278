package bundle

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestNetDeviceNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"":                 true, // the host's name
		"eth0":             true,
		"fifteen_bytes__":  true,
		"sixteen_bytes___": false,
		"eth%d":            true,
		"fifteen_bytes%d":  true,
		"sixteen_bytes_%d": false,
		"%d":               true,
		"e%dth":            false,
		"eth%d%d":          false,
		"eth%s":            false,
		".":                false,
		"..":               false,
		"a b":              false,
		"a:b":              false,
		"a/b":              false,
	} {
		var r report
		checkNetDevices(&r, &specs.Spec{Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{{Type: specs.NetworkNamespace}},
			NetDevices: map[string]specs.LinuxNetDevice{"dummy0": {Name: name}},
		}})
		if (len(r.problems) == 0) != ok {
			t.Errorf("%q: %v", name, r.problems)
		}
	}
}
