package systemd

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"tare/cgroups/v2"
)

// annotationPrefix is that of annotations which set a property of the unit.
const annotationPrefix = "org.systemd.property."

// ErrProperty says that an annotation asks for a property that none may set.
var ErrProperty = errors.New("not a property that an annotation may set")

// propertyType is the D-Bus type of a property that an annotation may set, "" for all others.
//
// Who may write annotations is often not who may run programs on the host: so no property is here that executes, loads or
// starts something, opens devices or files, or takes the cgroup away from us (CVE-2024-3154). What is here limits, names,
// orders and ends the unit.
func propertyType(name string) string {
	switch name {
	case "Description", "CollectMode", "KillMode", "OOMPolicy",
		"ManagedOOMSwap", "ManagedOOMMemoryPressure", "ManagedOOMPreference":
		return "s"
	case "After", "Before":
		return "as"
	case "DefaultDependencies", "SendSIGKILL", "SendSIGHUP",
		"CPUAccounting", "MemoryAccounting", "TasksAccounting", "IOAccounting", "IPAccounting":
		return "b"
	case "KillSignal", "FinalKillSignal":
		return "i"
	case "ManagedOOMMemoryPressureLimit":
		return "u"
	case "AllowedCPUs", "AllowedMemoryNodes":
		return "ay"
	case "TimeoutStopUSec", "RuntimeMaxUSec",
		"CPUWeight", "StartupCPUWeight", "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec", "IOWeight", "StartupIOWeight",
		"MemoryMin", "MemoryLow", "MemoryHigh", "MemoryMax", "MemorySwapMax", "TasksMax":
		return "t"
	}
	return ""
}

// Annotated puts the properties that annotations ask for into the place of those that are there, or behind them. One that
// config.json sets in linux.resources is not theirs to set.
func Annotated(all []Property, annotations map[string]string) ([]Property, error) {
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		name, ok := strings.CutPrefix(key, annotationPrefix)
		if !ok {
			continue
		}
		pointer := "/annotations/" + key
		p, err := annotated(name, annotations[key])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v2.Field(pointer), err)
		}
		p.Pointer = pointer
		i := slices.IndexFunc(all, func(q Property) bool { return q.Name == p.Name && q.Pointer != "" })
		if i >= 0 {
			return nil, fmt.Errorf("%s: %s is set by %s already", v2.Field(pointer), p.Name, v2.Field(all[i].Pointer))
		}
		all = set(all, p)
	}
	return all, nil
}

func annotated(name, text string) (Property, error) {
	seconds := false
	if base, ok := strings.CutSuffix(name, "Sec"); ok && !strings.HasSuffix(base, "U") {
		name, seconds = base+"USec", true
	}
	signature := propertyType(name)
	if signature == "" {
		return Property{}, fmt.Errorf("%s: %w", name, ErrProperty)
	}
	v, err := parseVariant(text)
	if err != nil {
		return Property{}, fmt.Errorf("%q: %w: the value is GVariant text, such as 'text', true, uint64 5 or ['a.service']", text, err)
	}
	if seconds {
		v = microseconds(v)
	}
	value, ok := convert(v, signature)
	if !ok {
		return Property{}, fmt.Errorf("%q: %s", text, wanted(signature))
	}
	return property(name, signature, value), nil
}

func wanted(signature string) string {
	switch signature {
	case "s":
		return "the property is a text, in quotes"
	case "as":
		return "the property is a list of texts, such as ['a.service']"
	case "b":
		return "the property is true or false"
	case "ay":
		return "the property is a list of bytes, such as [byte 0x0f]"
	}
	return "the property is a number, of type " + map[string]string{"i": "int32", "u": "uint32", "t": "uint64"}[signature]
}

// microseconds are those of a number of seconds, or nil.
func microseconds(v any) any {
	n, ok := v.(gnumber)
	if !ok || n.real < 0 || n.real >= infinity/second {
		return nil
	}
	if n.integer {
		n.magnitude *= second
		return n
	}
	return gnumber{magnitude: uint64(math.Round(n.real * second)), integer: true}
}

// convert makes the parsed value one of the D-Bus type.
func convert(v any, signature string) (any, bool) {
	switch signature {
	case "s":
		s, ok := v.(string)
		return s, ok && strings.IndexByte(s, 0) < 0
	case "b":
		b, ok := v.(bool)
		return b, ok
	case "as":
		return list(v, func(v any) (string, bool) { s, ok := v.(string); return s, ok && strings.IndexByte(s, 0) < 0 })
	case "ay":
		return list(v, func(v any) (byte, bool) { n, ok := integer(v, 0, math.MaxUint8); return byte(n), ok })
	case "i":
		n, ok := integer(v, -math.MinInt32, math.MaxInt32)
		return int32(n), ok
	case "u":
		n, ok := integer(v, 0, math.MaxUint32)
		return uint32(n), ok
	case "t":
		return integer(v, 0, math.MaxUint64)
	}
	return nil, false
}

// integer is the value of a whole number from -low to high, negative ones in two's complement.
func integer(v any, low, high uint64) (uint64, bool) {
	n, ok := v.(gnumber)
	switch {
	case !ok || !n.integer:
		return 0, false
	case n.negative:
		return -n.magnitude, n.magnitude <= low
	}
	return n.magnitude, n.magnitude <= high
}

func list[T any](v any, element func(any) (T, bool)) (any, bool) {
	values, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make([]T, 0, len(values))
	for _, v := range values {
		e, ok := element(v)
		if !ok {
			return nil, false
		}
		out = append(out, e)
	}
	return out, true
}
