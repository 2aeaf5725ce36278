package parity

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// kinds are the containers that the calls are made of.
var kinds = map[string][]Edit{
	"plain":    {},
	"writable": {WritableRoot},
	"terminal": {Terminal},
	"user namespace": {
		WithUserNamespace(100000, 65536),
	},
	"host's PID namespace": {WithoutNamespace(specs.PIDNamespace)},
	"host's network":       {WithoutNamespace(specs.NetworkNamespace), WithoutMount("/sys")},
	"host's names": {
		WithoutNamespace(specs.UTSNamespace, specs.IPCNamespace), WithoutMount("/dev/mqueue"),
		func(s *specs.Spec) { s.Hostname = "" },
	},
	"ordinary user": {func(s *specs.Spec) {
		umask := uint32(0o027)
		s.Process.User = specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{5, 6}, Umask: &umask}
	}},
	"more capabilities": {
		WithCaps("CAP_KILL", "CAP_CHOWN", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"),
		func(s *specs.Spec) { s.Process.NoNewPrivileges = false },
	},
	"ambient capabilities": {func(s *specs.Spec) {
		s.Process.User = specs.User{UID: 1000, GID: 1000}
		c := s.Process.Capabilities
		c.Inheritable, c.Ambient = c.Bounding, c.Bounding
	}},
	"no capabilities": {func(s *specs.Spec) { s.Process.Capabilities = &specs.LinuxCapabilities{} }},
	"filtered": {func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow,
			Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32, specs.ArchAARCH64, specs.ArchARM},
			Syscalls:      []specs.LinuxSyscall{{Names: []string{"mkdir", "mkdirat"}, Action: specs.ActErrno}},
		}
	}},
	"limited": {func(s *specs.Spec) {
		score := 500
		s.Process.OOMScoreAdj = &score
		s.Process.Rlimits = []specs.POSIXRlimit{
			{Type: "RLIMIT_NOFILE", Soft: 128, Hard: 128},
			{Type: "RLIMIT_CORE", Soft: 0, Hard: 0},
			{Type: "RLIMIT_CPU", Soft: 100, Hard: 200},
		}
	}},
	"elsewhere": {func(s *specs.Spec) {
		s.Process.Cwd = "/tmp"
		s.Process.Env = append(s.Process.Env, "HOME=/tmp", "A=one", "B=two words", "A=last")
	}},
}
