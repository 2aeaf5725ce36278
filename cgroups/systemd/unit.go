package systemd

import (
	"fmt"
	"strings"

	"tare/cgroups/v2"
)

const (
	pathPointer = "/linux/cgroupsPath"
	rootSlice   = "-.slice"
)

// Unit is the unit that is the container's cgroup: a scope, or a slice.
type Unit struct {
	Name  string // such as "docker-web.scope"
	Slice string // the slice that it is in, such as "system.slice"
}

// ParseUnit reads linux.cgroupsPath in its form for systemd, `slice:prefix:name`. Without a slice it is the default one.
func ParseUnit(path, id, defaultSlice string) (Unit, error) {
	if path == "" {
		path = ":tare:" + id
	}
	parts := strings.Split(path, ":")
	if len(parts) != 3 {
		return Unit{}, fmt.Errorf("%s: %q: with --systemd-cgroup it has the form slice:prefix:name, such as system.slice:tare:%s",
			v2.Field(pathPointer), path, id)
	}
	u := Unit{Slice: parts[0], Name: parts[2]}
	switch u.Slice {
	case "":
		u.Slice = defaultSlice
	case "-":
		u.Slice = rootSlice
	}
	if !strings.HasSuffix(u.Name, ".slice") {
		u.Name = parts[1] + "-" + parts[2] + ".scope"
	}
	for _, slice := range []string{u.Slice, u.Name} {
		if strings.HasSuffix(slice, ".scope") {
			continue
		}
		if _, err := expand(slice); err != nil || slice == u.Name && slice == rootSlice {
			return Unit{}, fmt.Errorf("%s: %q is no name of a slice, such as machine-web.slice", v2.Field(pathPointer), slice)
		}
	}
	if parts[2] == "" {
		return Unit{}, fmt.Errorf("%s: %q: the name, its third part, is missing", v2.Field(pathPointer), path)
	}
	if !validName(u.Name) {
		return Unit{}, fmt.Errorf("%s: %q is no name of a unit: letters, digits and :-_.\\ make one, 255 characters at most",
			v2.Field(pathPointer), u.Name)
	}
	return u, nil
}

// IsSlice says whether the unit is a slice, which stays when nothing is in it, and takes no process with its start.
func (u Unit) IsSlice() bool { return strings.HasSuffix(u.Name, ".slice") }

// Path is where the unit's cgroup is, below that of the manager.
func (u Unit) Path() string {
	name := u.Slice
	if u.IsSlice() {
		name = u.Name
	}
	path, err := expand(name)
	if err != nil { // a name that ParseUnit refused
		path = "/" + name
	}
	if u.IsSlice() {
		return path
	}
	return path + "/" + u.Name
}

// expand gives the path of a slice's cgroup: a-b.slice is in a.slice (systemd.slice(5)). That of the root slice is empty.
func expand(slice string) (string, error) {
	name, ok := strings.CutSuffix(slice, ".slice")
	if slice == rootSlice {
		return "", nil
	}
	if !ok || name == "" || !validName(slice) {
		return "", fmt.Errorf("no slice: %q", slice)
	}
	var path, prefix string
	for part := range strings.SplitSeq(name, "-") {
		if part == "" {
			return "", fmt.Errorf("no slice: %q", slice)
		}
		prefix += part
		path += "/" + prefix + ".slice"
		prefix += "-"
	}
	return path, nil
}

// validName says whether that is a unit's name (systemd.unit(5)); with an @ in it it would be an instance of a template.
func validName(name string) bool {
	if len(name) > 255 {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', strings.IndexByte(`:-_.\`, c) >= 0:
		default:
			return false
		}
	}
	return true
}

// Valid says whether the names are what ParseUnit gives: a state file's are looked at again.
func (u Unit) Valid() bool {
	scope := strings.HasSuffix(u.Name, ".scope") && len(u.Name) > len(".scope")
	return validName(u.Name) && u.Name != rootSlice && (scope || u.IsSlice())
}
