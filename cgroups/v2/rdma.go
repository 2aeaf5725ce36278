package v2

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// rdma translates linux.resources.rdma, in the order of the devices' names.
func rdma(out []Setting, devices map[string]specs.LinuxRdma) ([]Setting, error) {
	for _, name := range sortedKeys(devices) {
		d, pointer := devices[name], "/linux/resources/rdma/"+escape(name)
		value := name
		if strings.ContainsAny(name, " \n\t") || name == "" {
			return nil, fieldError(pointer, "%q is no device name", name)
		}
		if d.HcaHandles != nil {
			value += fmt.Sprintf(" hca_handle=%d", *d.HcaHandles)
		}
		if d.HcaObjects != nil {
			value += fmt.Sprintf(" hca_object=%d", *d.HcaObjects)
		}
		if value == name {
			return nil, fieldError(pointer, "neither hcaHandles nor hcaObjects is given")
		}
		out = append(out, Setting{File: "rdma.max", Value: value, Pointer: pointer})
	}
	return out, nil
}

// sortedKeys lists the keys of a map in order, so that a config.json always leads to the same writes.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
