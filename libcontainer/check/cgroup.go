package check

import (
	"os"
	"path"
	"reflect"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/cgroups"
	"tare/internal/sys"
	"tare/libcontainer/bundle"
)

// cgroup asks the package that would make the container's cgroup whether this host can hold its limits: one limit after the
// other, as the answer is the first that it cannot.
func (c *checker) cgroup() {
	var resources *specs.LinuxResources
	config := cgroups.Config{
		ID: "check", Systemd: c.o.SystemdCgroup, Rootless: !c.root, OwnDevicesOnly: c.spec.Annotations[bundle.AnnotationDefaultDevices] == "false",
	}
	if c.o.Rootless != "auto" && c.o.Rootless != "" {
		config.Rootless = c.o.Rootless == "true"
	}
	if c.o.SystemdCgroup {
		config.Annotations = c.spec.Annotations
	}
	if c.spec.Linux != nil {
		config.Path, resources = c.spec.Linux.CgroupsPath, c.spec.Linux.Resources
	}
	manager, err := cgroups.New(config, nil)
	if err != nil {
		c.add(Finding{
			ID: "cgroup", Severity: Error, Pointer: at("linux", "cgroupsPath"), Message: message(err),
			Why: section("/linux/cgroupsPath"), Mend: "give the container a cgroup that this host can make",
		})
		return
	}
	c.taken(manager)
	if config.Rootless && !config.Systemd && len(single(resources)) > 0 {
		c.delegated(manager.State())
	}
	_ = manager.Close()
	for _, one := range single(resources) {
		if c.hasProblem(one.pointer) {
			continue
		}
		manager, err := cgroups.New(config, one.resources)
		if err == nil {
			_ = manager.Close()
			continue
		}
		c.add(Finding{
			ID: "cgroup-limit", Severity: Error, Pointer: one.pointer, Message: message(err),
			Why:  "runtime-spec, config-linux.md, Control groups: what cannot be applied is an error",
			Mend: "take the limit away, or run on a host whose kernel has the controller and gives it to cgroups below",
		})
	}
}

// message is the text of an error without the field, which a finding has of its own.
func message(err error) string {
	text := err.Error()
	if end := strings.Index(text, "): "); end >= 0 && strings.Contains(text[:end], " (/") {
		return text[end+len("): "):]
	}
	return text
}

// taken looks whether the cgroup that is asked for by name is in use.
func (c *checker) taken(m cgroups.Manager) {
	if c.spec.Linux == nil || c.spec.Linux.CgroupsPath == "" || c.o.SystemdCgroup {
		return
	}
	if populated, err := m.Populated(); err != nil || !populated {
		return
	}
	c.add(Finding{
		ID: "cgroup-in-use", Severity: Warning, Pointer: at("linux", "cgroupsPath"), Message: "there are processes in this cgroup: a create refuses while they are",
		Why: "runtime-spec, config-linux.md, Cgroups Path", Mend: "is the container running already? If not, take another path",
	})
}

// delegated looks whether an ordinary user may make the cgroup that is to hold limits. Where controllers are on cgroup v1 there are as
// many answers as hierarchies, and a create tells.
func (c *checker) delegated(s cgroups.State) {
	if s.Path == "" || len(s.V1) > 0 {
		return
	}
	caller := &ids{uid: uint32(os.Geteuid()), groups: []uint32{uint32(os.Getegid())}}
	for dir := path.Dir(s.Path); dir != "/"; dir = path.Dir(dir) {
		fd, err := sys.Openat(unix.AT_FDCWD, dir, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			continue
		}
		st, err := sys.Fstat(fd)
		sys.Close(fd)
		if err == nil && !caller.may(&st, 2) {
			c.add(Finding{
				ID: "cgroup-not-delegated", Severity: Error, Pointer: at("linux", "resources"), Message: "the caller may not make a cgroup for these limits in " + dir,
				Why:  "cgroups(7): a cgroup is made by who owns the one above",
				Mend: "have it delegated (systemd-run --user --scope -p Delegate=yes), use --systemd-cgroup, or take the limits away",
			})
		}
		return
	}
}

// limited is a config's resources with one limit alone.
type limited struct {
	pointer   string
	resources *specs.LinuxResources
}

// single takes limits apart. A limit stays with those that it depends on.
func single(res *specs.LinuxResources) (all []limited) {
	if res == nil {
		return nil
	}
	for _, field := range members(reflect.ValueOf(*res)) {
		pointer := at("linux", "resources", field.name)
		switch {
		case field.name == "devices": // rules that hold together
			all = append(all, limited{pointer, &specs.LinuxResources{Devices: res.Devices}})
		case field.value.Kind() == reflect.Pointer && field.value.Elem().Kind() == reflect.Struct:
			all = append(all, parts(pointer, res, field)...)
		case field.value.Kind() == reflect.Slice:
			for i := range field.value.Len() {
				all = append(all, limited{pointer + at(i), only(field, field.value.Slice(i, i+1))})
			}
		case field.value.Kind() == reflect.Map:
			for _, key := range field.value.MapKeys() {
				one := reflect.MakeMap(field.value.Type())
				one.SetMapIndex(key, field.value.MapIndex(key))
				all = append(all, limited{pointer + at(key.String()), only(field, one)})
			}
		}
	}
	return all
}

// parts are the limits of one controller.
func parts(pointer string, res *specs.LinuxResources, field member) (all []limited) {
	for _, m := range members(field.value.Elem()) {
		one := reflect.New(field.value.Elem().Type())
		one.Elem().Field(m.index).Set(m.value)
		if m.name == "swap" && res.Memory != nil {
			one.Interface().(*specs.LinuxMemory).Limit = res.Memory.Limit
		}
		all = append(all, limited{pointer + at(m.name), only(field, one)})
	}
	return all
}

// member is a field of a struct that is set.
type member struct {
	name  string
	index int
	value reflect.Value
}

func members(v reflect.Value) (all []member) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if !v.Field(i).IsZero() {
			all = append(all, member{name, i, v.Field(i)})
		}
	}
	return all
}

// only makes resources of one field.
func only(field member, value reflect.Value) *specs.LinuxResources {
	res := new(specs.LinuxResources)
	reflect.ValueOf(res).Elem().Field(field.index).Set(value)
	return res
}
