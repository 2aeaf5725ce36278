package resctrl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// lines are what a config asks for, in the order in which it is written.
func lines(rdt *specs.LinuxIntelRdt) (all []string) {
	for _, line := range [...]string{rdt.L3CacheSchema, rdt.MemBwSchema} {
		if line != "" {
			all = append(all, line)
		}
	}
	return append(all, rdt.Schemata...)
}

// setting is the value of one cache, or one memory controller: L3:0=7f.
type setting struct{ resource, domain, value string }

// settings reads lines such as "L3:0=7f;1=3". Of two about the same the later one holds.
func settings(lines []string) (all []setting) {
	for _, line := range lines {
		resource, rest, _ := strings.Cut(line, ":")
		for part := range strings.SplitSeq(rest, ";") {
			domain, value, _ := strings.Cut(part, "=")
			s := setting{strings.TrimSpace(resource), strings.TrimSpace(domain), strings.TrimSpace(value)}
			all = slices.DeleteFunc(all, func(o setting) bool { return o.resource == s.resource && o.domain == s.domain })
			all = append(all, s)
		}
	}
	return all
}

// mismatch says which of the wanted settings a class does not have, or "". A step of memory bandwidth rounds as the kernel does.
func mismatch(wanted []string, schemata string, step int) string {
	has := settings(strings.Split(strings.TrimSpace(schemata), "\n"))
	for _, w := range settings(wanted) {
		i := slices.IndexFunc(has, func(h setting) bool { return h.resource == w.resource && h.domain == w.domain })
		switch {
		case i < 0:
			return fmt.Sprintf("%s has no domain %q", w.resource, w.domain)
		case !w.equal(has[i].value, step):
			return fmt.Sprintf("%s:%s is %s, not %s", w.resource, w.domain, has[i].value, w.value)
		}
	}
	return ""
}

// equal compares a bandwidth as a number, and everything else, bit masks, as a hexadecimal one.
func (s setting) equal(value string, step int) bool {
	if s.resource != "MB" {
		return bitmask(s.value) == bitmask(value)
	}
	want, err := strconv.Atoi(s.value)
	has, hasErr := strconv.Atoi(value)
	if err != nil || hasErr != nil {
		return s.value == value
	}
	return want == has || step > 0 && (want+step-1)/step*step == has
}

func bitmask(s string) string {
	s = strings.TrimPrefix(strings.ToLower(s), "0x")
	if short := strings.TrimLeft(s, "0"); short != "" {
		return short
	}
	return s[:min(len(s), 1)]
}
