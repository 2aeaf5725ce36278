package coverage

import (
	"reflect"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// foreign are the sections of other platforms, which the specification has a runtime for Linux leave alone.
var foreign = []string{"solaris", "windows", "vm", "zos", "freebsd"}

// fields are the paths of all fields of a config for Linux that hold a value, as their JSON names joined by dots; [] is any
// element of a list, {} any of a map.
func fields() []string { return walk("", reflect.TypeFor[specs.Spec]()) }

func walk(path string, t reflect.Type) (all []string) {
	switch t.Kind() {
	case reflect.Pointer:
		return walk(path, t.Elem())
	case reflect.Slice:
		return walk(path+"[]", t.Elem())
	case reflect.Map:
		return walk(path+"{}", t.Elem())
	case reflect.Struct:
	default:
		return []string{path}
	}
	if t.NumField() == 0 {
		return []string{path}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if platforms := f.Tag.Get("platform"); platforms != "" && !slices.Contains(strings.Split(platforms, ","), "linux") || slices.Contains(foreign, name) {
			continue
		}
		below := strings.TrimPrefix(path+"."+name, ".")
		if f.Anonymous && name == "" {
			below = path
		}
		all = append(all, walk(below, f.Type)...)
	}
	return all
}
