package integration

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// Proofs of what the features document says about a process's attributes. `make test-vm` has guests with the security modules.

func proveAppArmor(t *testing.T) {
	profile := denying(t, "/tmp/features")
	c := NewContainer(t, func(s *specs.Spec) { s.Process.ApparmorProfile = profile })
	if got := c.Report().Attributes.AppArmor; got != profile+" (enforce)" {
		t.Errorf("profile %q, want %q", got, profile)
	}
}

func proveSELinux(t *testing.T) {
	seLinux(t)
	c := NewContainer(t, labelled)
	if got := c.Report().Attributes.SELinux; got != processContext {
		t.Errorf("context %q, want %q", got, processContext)
	}
}

// memoryPolicyIs runs a container with the policy, and compares the mode and flags that get_mempolicy(2) tells.
func memoryPolicyIs(t *testing.T, policy specs.LinuxMemoryPolicy, want int) {
	t.Helper()
	if _, _, errno := unix.Syscall6(unix.SYS_GET_MEMPOLICY, 0, 0, 0, 0, 0, 0); errno == unix.ENOSYS {
		t.Skip("this kernel is built without NUMA")
	}
	c := NewContainer(t, func(s *specs.Spec) { s.Linux.MemoryPolicy = &policy })
	if got := c.Report().Attributes; got.MemoryMode != want {
		t.Errorf("%+v: mode %#x (%s), want %#x", policy, got.MemoryMode, got.MemoryError, want)
	}
}

func proveMemoryMode(t *testing.T, mode string) {
	tests := map[string]struct {
		mode  int
		nodes string
		since [2]int
	}{
		"MPOL_DEFAULT":             {unix.MPOL_DEFAULT, "", [2]int{}},
		"MPOL_LOCAL":               {unix.MPOL_LOCAL, "", [2]int{}},
		"MPOL_BIND":                {unix.MPOL_BIND, "0", [2]int{}},
		"MPOL_INTERLEAVE":          {unix.MPOL_INTERLEAVE, "0", [2]int{}},
		"MPOL_WEIGHTED_INTERLEAVE": {unix.MPOL_WEIGHTED_INTERLEAVE, "0", [2]int{6, 9}},
		"MPOL_PREFERRED":           {unix.MPOL_PREFERRED, "0", [2]int{}},
		"MPOL_PREFERRED_MANY":      {unix.MPOL_PREFERRED_MANY, "0", [2]int{5, 15}},
	}
	tt, ok := tests[mode]
	if !ok {
		t.Fatalf("no proof for the mode %s", mode)
	}
	needLinux(t, tt.since)
	memoryPolicyIs(t, specs.LinuxMemoryPolicy{Mode: specs.MemoryPolicyModeType(mode), Nodes: tt.nodes}, tt.mode)
}

func proveMemoryFlag(t *testing.T, flag string) {
	tests := map[string]struct {
		flag  int
		since [2]int
	}{
		"MPOL_F_NUMA_BALANCING": {unix.MPOL_F_NUMA_BALANCING, [2]int{5, 12}},
		"MPOL_F_RELATIVE_NODES": {unix.MPOL_F_RELATIVE_NODES, [2]int{}},
		"MPOL_F_STATIC_NODES":   {unix.MPOL_F_STATIC_NODES, [2]int{}},
	}
	tt, ok := tests[flag]
	if !ok {
		t.Fatalf("no proof for the flag %s", flag)
	}
	needLinux(t, tt.since)
	policy := specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MemoryPolicyFlagType(flag)}}
	memoryPolicyIs(t, policy, unix.MPOL_BIND|tt.flag)
}
