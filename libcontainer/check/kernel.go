package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// need is a field that takes a kernel of some version.
type need struct {
	pointer string
	what    string
	major   int
	minor   int
}

// kernel compares what is asked for with the version of the running kernel.
func (c *checker) kernel() {
	text, err := sys.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return
	}
	c.tooOld(strings.TrimSpace(string(text)))
}

// tooOld tells what a kernel of that release does not have.
func (c *checker) tooOld(release string) {
	major, minor, ok := parseRelease(release)
	if !ok {
		return
	}
	for _, n := range needs(c.spec) {
		if major > n.major || major == n.major && minor >= n.minor {
			continue
		}
		c.add(Finding{
			ID: "kernel-too-old", Severity: Error, Pointer: n.pointer,
			Message: fmt.Sprintf("%s needs Linux %d.%d, this host has %s", n.what, n.major, n.minor, release),
			Why:     section(n.pointer) + ": what cannot be applied is an error", Mend: "do without it, or take a newer kernel",
		})
	}
}

// parseRelease reads the first two numbers of a kernel's release, such as 6.1.0-28-amd64.
func parseRelease(release string) (major, minor int, ok bool) {
	first, rest, _ := strings.Cut(release, ".")
	second := rest
	if end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		second = rest[:end]
	}
	major, err := strconv.Atoi(first)
	minor, err2 := strconv.Atoi(second)
	return major, minor, err == nil && err2 == nil
}

// needs are the fields of the config that not every kernel since 5.10 knows.
func needs(spec *specs.Spec) (all []need) {
	for i := range spec.Mounts {
		for j, o := range spec.Mounts[i].Options {
			switch {
			case slices.Contains(recursiveOptions(), o):
				all = append(all, need{at("mounts", i, "options", j), "the option " + o, 5, 12})
			case o == "idmap", o == "ridmap":
				all = append(all, need{at("mounts", i, "options", j), "an id-mapped mount", 5, 12})
			}
		}
	}
	l := spec.Linux
	if l == nil {
		return all
	}
	if p := l.MemoryPolicy; p != nil {
		switch p.Mode {
		case specs.MpolPreferredMany:
			all = append(all, need{at("linux", "memoryPolicy", "mode"), "MPOL_PREFERRED_MANY", 5, 15})
		case specs.MpolWeightedInterleave:
			all = append(all, need{at("linux", "memoryPolicy", "mode"), "MPOL_WEIGHTED_INTERLEAVE", 6, 9})
		}
	}
	if s := l.Seccomp; s != nil {
		for i, flag := range s.Flags {
			if flag == specs.LinuxSeccompFlagWaitKillableRecv {
				all = append(all, need{at("linux", "seccomp", "flags", i), string(flag), 5, 19})
			}
		}
	}
	if r := l.Resources; r != nil && r.CPU != nil {
		if r.CPU.Idle != nil && *r.CPU.Idle != 0 {
			all = append(all, need{at("linux", "resources", "cpu", "idle"), "cpu.idle", 5, 15})
		}
		if r.CPU.Burst != nil && *r.CPU.Burst != 0 {
			all = append(all, need{at("linux", "resources", "cpu", "burst"), "cpu burst", 5, 14})
		}
	}
	return all
}

// recursiveOptions are those that take mount_setattr(2).
func recursiveOptions() []string {
	return []string{
		"rro", "rrw", "rsuid", "rnosuid", "rdev", "rnodev", "rexec", "rnoexec", "ratime", "rnoatime", "rdiratime", "rnodiratime",
		"rrelatime", "rnorelatime", "rstrictatime", "rnostrictatime", "rsymfollow", "rnosymfollow",
	}
}

// labels looks for the security modules that labels and profiles are for.
func (c *checker) labels() {
	if p := c.spec.Process; p != nil {
		if p.ApparmorProfile != "" {
			c.apparmor(p.ApparmorProfile)
		}
		if p.SelinuxLabel != "" {
			c.selinux(at("process", "selinuxLabel"))
		}
	}
	if c.spec.Linux != nil && c.spec.Linux.MountLabel != "" {
		c.selinux(at("linux", "mountLabel"))
	}
}

func (c *checker) apparmor(profile string) {
	pointer := at("process", "apparmorProfile")
	enabled, err := sys.ReadFile("/sys/module/apparmor/parameters/enabled")
	if err != nil || !strings.HasPrefix(string(enabled), "Y") {
		c.add(Finding{
			ID: "lsm-absent", Severity: Error, Pointer: pointer, Message: "AppArmor is not enabled on this host",
			Why: section(pointer) + ": a profile that cannot be applied is an error", Mend: "take the profile away, or boot with apparmor=1 security=apparmor",
		})
		return
	}
	profiles, err := sys.ReadFile("/sys/kernel/security/apparmor/profiles")
	if err != nil {
		c.unseen(pointer, "whether the profile "+quote(profile)+" is loaded", errno(err))
		return
	}
	for line := range strings.Lines(string(profiles)) {
		if strings.HasPrefix(line, profile+" (") || profile == "unconfined" {
			return
		}
	}
	c.add(Finding{
		ID: "profile-not-loaded", Severity: Error, Pointer: pointer, Message: "the profile " + quote(profile) + " is not loaded on this host",
		Why: "apparmor(7)", Mend: "load it with apparmor_parser, or correct its name",
	})
}

func (c *checker) selinux(pointer string) {
	if magic, err := sys.StatfsType("/sys/fs/selinux"); err == nil && magic == unix.SELINUX_MAGIC {
		return
	}
	c.add(Finding{
		ID: "lsm-absent", Severity: Error, Pointer: pointer, Message: "SELinux is not enabled on this host",
		Why: section(pointer) + ": a label that cannot be applied is an error", Mend: "take the label away",
	})
}
