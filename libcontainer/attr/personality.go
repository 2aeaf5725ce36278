package attr

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/internal/sys"
)

// include/uapi/linux/personality.h
var domains = table{
	{"LINUX", 0},
	{"LINUX32", 8},
}

// Domains are the execution domains.
func Domains() []string { return domains.names() }

// SetPersonality gives the calling thread the domain of linux.personality, and takes all flags from it that the caller had.
func SetPersonality(p *specs.LinuxPersonality) error {
	if err := sys.SetPersonality(uint32(domains.number(string(p.Domain)))); err != nil {
		return fmt.Errorf("linux.personality (/linux/personality): %s: %w", p.Domain, err)
	}
	return nil
}
