package v2

import specs "github.com/opencontainers/runtime-spec/specs-go"

// network refuses linux.resources.network, which v2 has no controller for.
func network(n *specs.LinuxNetwork) error {
	switch {
	case n == nil:
	case n.ClassID != nil && *n.ClassID != 0:
		return fieldError("/linux/resources/network/classID", "%w", ErrNotSupported)
	case len(n.Priorities) != 0:
		return fieldError("/linux/resources/network/priorities", "%w", ErrNotSupported)
	}
	return nil
}
