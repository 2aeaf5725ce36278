package document

import (
	"reflect"
	"strings"
)

// field is one member of an object that a struct stands for.
type field struct {
	name  string
	index []int // through embedded structs
	omit  bool  // when it is empty
}

// types remembers the fields of the struct types met.
type types map[reflect.Type][]field

func (ts *types) fields(t reflect.Type) []field {
	if fields, ok := (*ts)[t]; ok {
		return fields
	}
	if *ts == nil {
		*ts = make(types)
	}
	fields := appendFields(make([]field, 0, t.NumField()), t, nil)
	(*ts)[t] = fields
	return fields
}

func appendFields(fields []field, t reflect.Type, above []int) []field {
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(above[:len(above):len(above)], i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			fields = appendFields(fields, f.Type, index)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		fields = append(fields, field{name: name, index: index, omit: options == "omitempty"})
	}
	return fields
}

// find finds the field for a key: the one so spelled, else one that differs in upper and lower case only.
func find(fields []field, key string) *field {
	for i := range fields {
		if fields[i].name == key {
			return &fields[i]
		}
	}
	for i := range fields {
		if strings.EqualFold(fields[i].name, key) {
			return &fields[i]
		}
	}
	return nil
}
