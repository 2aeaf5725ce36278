package bundle

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// checkVersion takes every well-formed version 1.x.y: the specification promises that a config of a newer minor version works
// as far as it uses what is known, and what is not known is found by the other checks.
func checkVersion(r *report, spec *specs.Spec) {
	if spec.Version == "" {
		r.add("/ociVersion", "is required, want a version like %q", specs.Version)
		return
	}
	major, ok := parseVersion(spec.Version)
	switch {
	case !ok:
		r.add("/ociVersion", "must be a semantic version like %q, got %s", specs.Version, quote(spec.Version))
	case major != "1":
		r.add("/ociVersion", "unsupported major version, got %s, want 1.x.y", quote(spec.Version))
	}
}

// parseVersion checks version by the grammar of Semantic Versioning 2.0.0 and returns its major number.
func parseVersion(version string) (major string, ok bool) {
	rest, build, hasBuild := strings.Cut(version, "+")
	core, pre, hasPre := strings.Cut(rest, "-")
	numbers := strings.Split(core, ".")
	if len(numbers) != 3 {
		return "", false
	}
	for _, n := range numbers {
		if !isDigits(n) || leadingZero(n) {
			return "", false
		}
	}
	if hasBuild && !isIdentifiers(build, true) || hasPre && !isIdentifiers(pre, false) {
		return "", false
	}
	return numbers[0], true
}

// isIdentifiers accepts dot-separated identifiers; numeric ones may begin with a zero in build metadata only.
func isIdentifiers(s string, zeros bool) bool {
	for id := range strings.SplitSeq(s, ".") {
		if id == "" || !zeros && isDigits(id) && leadingZero(id) {
			return false
		}
		for i := range len(id) {
			if c := id[i]; !isDigit(c) && !isLetter(c) && c != '-' {
				return false
			}
		}
	}
	return true
}

func leadingZero(s string) bool { return len(s) > 1 && s[0] == '0' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}
