package v1

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"tare/cgroups/devbpf"
	"tare/cgroups/v2"
)

// The devices controller of v1 knows a default, to allow or to deny everything, and exceptions from it. An exception is taken
// back by naming exactly the same numbers; the rules of a config.json say more than that: the last one that speaks of a right
// decides on it. So they are worked out here, and what the controller cannot say is refused.

// exception is a set of devices and rights that the default does not hold for.
type exception struct {
	kind, numbers string // "c", "1:3"; "*" is every number
	access        string // of r, w and m
}

type whitelist struct {
	allow      bool // the default
	exceptions []exception
}

// Devices says what is to be written for device rules, to a cgroup that has none. With defaults, those of every container come
// after them.
func Devices(rules []specs.LinuxDeviceCgroup, defaults bool) ([]v2.Setting, error) {
	var list whitelist
	for i, r := range rules {
		if err := list.apply(r); err != nil {
			return nil, fmt.Errorf("%s: %w", v2.Field(fmt.Sprintf("/linux/resources/devices/%d", i)), err)
		}
	}
	if defaults {
		for _, r := range devbpf.DefaultRules() {
			if err := list.apply(r); err != nil {
				return nil, fmt.Errorf("%s: the rules that every container has: %w", v2.Field("/linux/resources/devices"), err)
			}
		}
	}
	return list.settings(), nil
}

func (l *whitelist) settings() []v2.Setting {
	const pointer = "/linux/resources/devices"
	base, except := "devices.deny", "devices.allow"
	if l.allow {
		base, except = except, base
	}
	out := []v2.Setting{{File: base, Value: "a", Pointer: pointer}}
	for _, e := range l.exceptions {
		out = append(out, v2.Setting{File: except, Value: e.kind + " " + e.numbers + " " + e.access, Pointer: pointer})
	}
	return out
}

func (l *whitelist) apply(r specs.LinuxDeviceCgroup) error {
	e := exception{kind: r.Type, numbers: number(r.Major) + ":" + number(r.Minor), access: r.Access}
	if e.access == "" {
		e.access = "rwm"
	}
	all := e.numbers == "*:*"
	if e.kind == "" || e.kind == "a" {
		if all && len(without("rwm", e.access)) == 0 {
			*l = whitelist{allow: r.Allow}
			return nil
		}
		// To the kernel, an `a` rule is about everything, whatever numbers stand beside it.
		for _, kind := range []string{"b", "c"} {
			e.kind = kind
			if err := l.change(e, r.Allow); err != nil {
				return err
			}
		}
		return nil
	}
	return l.change(e, r.Allow)
}

// change makes an exception, or takes back those that a rule covers.
func (l *whitelist) change(e exception, allow bool) error {
	if allow != l.allow {
		l.except(e)
		return nil
	}
	for i := range l.exceptions {
		x := &l.exceptions[i]
		switch {
		case x.kind != e.kind || len(without(x.access, e.access)) == len(x.access) || !overlap(x.numbers, e.numbers):
		case !covers(e.numbers, x.numbers):
			return fmt.Errorf("cgroup v1 cannot take %s %s %s out of an earlier rule about %s %s", e.kind, e.numbers, e.access, x.kind, x.numbers)
		default:
			x.access = without(x.access, e.access)
		}
	}
	l.exceptions = slices.DeleteFunc(l.exceptions, func(x exception) bool { return x.access == "" })
	return nil
}

// except adds an exception. A request for several rights is granted by one exception that has them all: so what a wider one has, a
// narrower one gets too.
func (l *whitelist) except(e exception) {
	found := false
	for i := range l.exceptions {
		x := &l.exceptions[i]
		if x.kind != e.kind {
			continue
		}
		if covers(x.numbers, e.numbers) {
			e.access += without(x.access, e.access)
		}
		if covers(e.numbers, x.numbers) {
			x.access += without(e.access, x.access)
		}
		found = found || x.numbers == e.numbers
	}
	if !found {
		l.exceptions = append(l.exceptions, e)
	}
}

// number writes a major or minor number, absent and -1 being every one.
func number(n *int64) string {
	if n == nil || *n == -1 {
		return "*"
	}
	return fmt.Sprint(*n)
}

// without takes letters out of a set.
func without(set, letters string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(letters, r) {
			return -1
		}
		return r
	}, set)
}

// overlap says whether two pairs of numbers have a device in common.
func overlap(a, b string) bool {
	return eachNumber(a, b, func(x, y string) bool { return x == "*" || y == "*" || x == y })
}

// covers says whether a has all devices of b.
func covers(a, b string) bool {
	return eachNumber(a, b, func(x, y string) bool { return x == "*" || x == y })
}

func eachNumber(a, b string, ok func(x, y string) bool) bool {
	major1, minor1, _ := strings.Cut(a, ":")
	major2, minor2, _ := strings.Cut(b, ":")
	return ok(major1, major2) && ok(minor1, minor2)
}

// UpdateDevices puts other rules in the place of those that hold. If that fails, the old ones hold again.
func (g *Group) UpdateDevices(rules []specs.LinuxDeviceCgroup, defaults bool) error {
	settings, err := Devices(rules, defaults)
	if err != nil {
		return err
	}
	if err := g.Check(settings); err != nil {
		return err
	}
	before, err := g.deviceList()
	if err != nil {
		return err
	}
	if err := g.write(replace(before, settings)); err != nil {
		if now, lost := g.deviceList(); lost == nil {
			_ = g.write(replace(now, listed(before)))
		}
		return err
	}
	return nil
}

func (g *Group) deviceList() (string, error) {
	text, err := g.read("devices.list")
	if err != nil {
		return "", fmt.Errorf("read the cgroup's device rules: %w", v2.Errno(err))
	}
	return string(text), nil
}

// listed says what is to be written for the rules of a devices.list.
func listed(text string) []v2.Setting {
	list := whitelist{allow: strings.HasPrefix(text, "a ")}
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) == 3 && !list.allow {
			list.exceptions = append(list.exceptions, exception{words[0], words[1], words[2]})
		}
	}
	return list.settings()
}

// replace says how to get from the rules of a devices.list to those of settings. As long as everything is denied but for
// exceptions, the new ones are allowed before the old ones are denied, so that nothing that both allow is refused at any time.
func replace(text string, settings []v2.Setting) []v2.Setting {
	if settings[0].File != "devices.deny" || strings.HasPrefix(text, "a ") {
		return settings
	}
	out := slices.Clone(settings[1:])
	for _, old := range listed(text)[1:] {
		numbers, access := old.Value[:strings.LastIndexByte(old.Value, ' ')+1], old.Value[strings.LastIndexByte(old.Value, ' ')+1:]
		for _, s := range settings[1:] {
			if kept, ok := strings.CutPrefix(s.Value, numbers); ok {
				access = without(access, kept)
			}
		}
		if access != "" {
			out = append(out, v2.Setting{File: "devices.deny", Value: numbers + access, Pointer: settings[0].Pointer})
		}
	}
	return out
}
