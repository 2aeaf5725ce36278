//go:build !libseccomp

package seccomp

import "golang.org/x/sys/unix"

// Engine names what compiles profiles in this build.
func Engine() string { return "tare" }

func (p *policy) assemble() ([]unix.SockFilter, error) { return p.compile() }

// provides tells whether the engine can compile for the architecture.
func provides(*arch) bool { return true }
