package bundle

import (
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// translate puts into the specification's words of today what managers write in others. What it cannot make sense of stays as it is, for
// the checks to find.
func translate(spec *specs.Spec) {
	if res := resourcesOf(spec); res != nil {
		TranslateResources(spec.Version, res)
	}
	for i := range spec.Mounts {
		translateIDMap(&spec.Mounts[i], spec.Linux)
	}
}

// TranslateResources takes a pids.limit of 0 for no limit, as runtimes did until specification 1.3.0 made it one: Podman 4 writes it for
// --pids-limit=-1. version is the config's.
func TranslateResources(version string, res *specs.LinuxResources) {
	if p := res.Pids; p != nil && p.Limit != nil && *p.Limit == 0 && before13(version) {
		p.Limit = new(int64(-1))
	}
}

func before13(version string) bool {
	minor, ok := strings.CutPrefix(version, "1.")
	minor, _, _ = strings.Cut(minor, ".")
	return ok && (minor == "0" || minor == "1" || minor == "2")
}

// translateIDMap makes uidMappings and gidMappings of crun's option idmap=uids=...;gids=... (or ridmap=), which Podman passes on.
func translateIDMap(m *specs.Mount, l *specs.Linux) {
	for i, option := range m.Options {
		name, text, ok := cutIDMap(option)
		if !ok || len(m.UIDMappings)+len(m.GIDMappings) > 0 {
			continue
		}
		if uids, gids, problem := parseIDMap(text, l); problem == "" {
			m.Options[i], m.UIDMappings, m.GIDMappings = name, uids, gids
		}
	}
}

// cutIDMap divides an option idmap=MAPPINGS or ridmap=MAPPINGS.
func cutIDMap(option string) (name, mappings string, ok bool) {
	name, mappings, ok = strings.Cut(option, "=")
	return name, mappings, ok && (name == "idmap" || name == "ridmap")
}

// parseIDMap reads "uids=MAPPING;gids=MAPPING", in any order.
func parseIDMap(text string, l *specs.Linux) (uids, gids []specs.LinuxIDMapping, problem string) {
	if l == nil {
		l = &specs.Linux{}
	}
	for part := range strings.SplitSeq(text, ";") {
		switch list, ranges, _ := strings.Cut(part, "="); list {
		case "uids":
			uids, problem = parseRanges(ranges, l.UIDMappings, "linux.uidMappings")
		case "gids":
			gids, problem = parseRanges(ranges, l.GIDMappings, "linux.gidMappings")
		default:
			problem = "want uids= or gids=, got " + quote(part)
		}
		if problem != "" {
			return nil, nil, problem
		}
	}
	if uids == nil || gids == nil {
		return nil, nil, "must have both uids= and gids="
	}
	return uids, gids, ""
}

// parseRanges reads ON-DISK-HOST-SIZE#... With an @ in front, HOST is an id of the container's user namespace.
func parseRanges(text string, container []specs.LinuxIDMapping, field string) (all []specs.LinuxIDMapping, problem string) {
	for part := range strings.SplitSeq(text, "#") {
		numbers, relative := strings.CutPrefix(part, "@")
		var n [3]uint32
		fields := strings.Split(numbers, "-")
		for i := range min(len(fields), len(n)) {
			v, err := strconv.ParseUint(fields[i], 10, 32)
			if err != nil {
				return nil, "want three numbers like 0-1000-1, got " + quote(part)
			}
			n[i] = uint32(v)
		}
		if len(fields) != len(n) {
			return nil, "want three numbers like 0-1000-1, got " + quote(part)
		}
		m := specs.LinuxIDMapping{ContainerID: n[0], HostID: n[1], Size: n[2]}
		if relative {
			host, ok := onHost(container, m.HostID, m.Size)
			if !ok {
				return nil, quote(part) + " is not within one entry of " + field
			}
			m.HostID = host
		}
		all = append(all, m)
	}
	return all, ""
}

// onHost finds size ids of the container from id on among the mappings of its user namespace.
func onHost(mappings []specs.LinuxIDMapping, id, size uint32) (host uint32, ok bool) {
	for _, m := range mappings {
		if id >= m.ContainerID && uint64(id)+uint64(size) <= uint64(m.ContainerID)+uint64(m.Size) {
			return m.HostID + id - m.ContainerID, true
		}
	}
	return 0, false
}

// checkIDMapOption says why an option with mappings was not translated.
func checkIDMapOption(r *report, spec *specs.Spec, i int) {
	m := &spec.Mounts[i]
	for j, option := range m.Options {
		_, text, ok := cutIDMap(option)
		if !ok {
			continue
		}
		_, _, problem := parseIDMap(text, spec.Linux)
		if problem == "" { // and still here
			problem = "has mappings beside uidMappings and gidMappings"
		}
		r.add(at("mounts", i, "options", j), "%s", problem)
	}
}
