package systemd

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func integerOf(n uint64) gnumber { return gnumber{magnitude: n, real: float64(n), integer: true} }

func TestParseVariant(t *testing.T) {
	for text, want := range map[string]any{
		"true":                        true,
		" boolean false ":             false,
		"5":                           integerOf(5),
		"+5":                          integerOf(5),
		"uint64 18446744073709551615": integerOf(1<<64 - 1),
		"byte 0x0f":                   integerOf(15),
		"017":                         integerOf(15),
		"-3":                          gnumber{negative: true, magnitude: 3, real: -3, integer: true},
		"1.5":                         gnumber{real: 1.5},
		"double 1e3":                  gnumber{real: 1000},
		"'a b'":                       "a b",
		`"it's"`:                      "it's",
		`'\'\\\n\u00e4\U0001f600\q'`:  "'\\\nä😀q",
		"string ''":                   "",
		"[]":                          []any{},
		"@as []":                      []any{},
		"@as ['a', \"b\"]":            []any{"a", "b"},
		"[byte 0x01,2]":               []any{integerOf(1), integerOf(2)},
		"[[1],[]]":                    []any{[]any{integerOf(1)}, []any{}},
	} {
		if got, err := parseVariant(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v, %v, want %#v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "inactive", "'a", `'a\`, `'\u00'`, `'\U00110000'`, "5 5", "true x", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "(1, 2)", "{'a': 1}",
		"<5>", "nan", "inf", "1_000", "uint64", "@", "- 5", "[[[[[[1]]]]]]", strings.Repeat("byte ", 50) + "1", "0x", "just 5", "nothing", "b'x'",
	} {
		if got, err := parseVariant(text); err == nil {
			t.Errorf("%q is taken for %#v", text, got)
		}
	}
}

func TestAnnotated(t *testing.T) {
	base := []Property{property("Description", "s", "it"), property("CollectMode", "s", "inactive-or-failed")}
	for key, tt := range map[string]struct{ value, want string }{
		"KillSignal":           {"15", "KillSignal=i:15"},
		"FinalKillSignal":      {"-1", "FinalKillSignal=i:-1"},
		"TimeoutStopUSec":      {"uint64 10000000", "TimeoutStopUSec=t:10000000"},
		"TimeoutStopSec":       {"10", "TimeoutStopUSec=t:10000000"},
		"RuntimeMaxSec":        {"1.5", "RuntimeMaxUSec=t:1500000"},
		"CPUQuotaPerSecUSec":   {"250000", "CPUQuotaPerSecUSec=t:250000"},
		"After":                {"['crio.service']", "After=as:[crio.service]"},
		"MemoryHigh":           {"uint64 4096", "MemoryHigh=t:4096"},
		"AllowedCPUs":          {"[byte 0x03]", "AllowedCPUs=ay:[3]"},
		"SendSIGKILL":          {"false", "SendSIGKILL=b:false"},
		"ManagedOOMPreference": {"'avoid'", "ManagedOOMPreference=s:avoid"},
	} {
		all, err := Annotated(base, map[string]string{"org.systemd.property." + key: tt.value, "org.other": "x"})
		if err != nil || len(all) != 3 || text(all[2:]) != tt.want {
			t.Errorf("%s %s: %s, %v", key, tt.value, text(all), err)
		}
	}
	all, err := Annotated(append([]Property{}, base...), map[string]string{"org.systemd.property.CollectMode": "'inactive'"})
	if err != nil || text(all) != "Description=s:it CollectMode=s:inactive" {
		t.Errorf("in the place of ours: %s, %v", text(all), err)
	}
}

// A34: what runs, loads or opens something, or moves the cgroup, is no annotation's business.
func TestAnnotatedRefuses(t *testing.T) {
	for _, name := range []string{
		"ExecStart", "ExecStartPre", "ExecStopPost", "Delegate", "Slice", "PIDs", "DeviceAllow", "DevicePolicy", "BPFProgram",
		"IPIngressFilterPath", "IPEgressFilterPath", "User", "Wants", "Requires", "BindsTo", "OnFailure", "JobTimeoutAction",
		"Environment", "RootDirectory", "Controller", "SocketBindAllow", "description", "", "Sec", "USec",
	} {
		_, err := Annotated(nil, map[string]string{"org.systemd.property." + name: "'x'"})
		if !errors.Is(err, ErrProperty) || !strings.HasPrefix(err.Error(), "annotations") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for key, tt := range map[string]struct{ value, want string }{
		"KillSignal":      {"3000000000", "the property is a number, of type int32"},
		"TimeoutStopUSec": {"-1", "of type uint64"},
		"TimeoutStopSec":  {"1e30", "of type uint64"},
		"RuntimeMaxSec":   {"18446744073709551615", "of type uint64"},
		"TasksMax":        {"1.5", "of type uint64"},
		"CollectMode":     {"inactive", "text goes in quotes"},
		"KillMode":        {"5", "the property is a text, in quotes"},
		"Description":     {`'\u0000'`, "in quotes"},
		"After":           {"'a.service'", "a list of texts"},
		"Before":          {"[1]", "a list of texts"},
		"SendSIGHUP":      {"1", "true or false"},
		"AllowedCPUs":     {"[256]", "a list of bytes"},
		"MemoryMax":       {"uint64 5", "MemoryMax is set by linux.resources.memory.limit (/linux/resources/memory/limit) already"},
	} {
		limits := []Property{{Name: "MemoryMax", Pointer: "/linux/resources/memory/limit"}}
		_, err := Annotated(limits, map[string]string{"org.systemd.property." + key: tt.value})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, want %q", key, tt.value, err, tt.want)
		}
	}
}

// Any text is a value or an error; and every property that may be set can be sent.
func FuzzParseVariant(f *testing.F) {
	for _, text := range []string{"@as ['a', \"b\"]", "uint64 5", `'\u00e4'`, "[byte 0x1]", "-1.5", "true"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseVariant(text)
		if err != nil {
			if v != nil && text == "" {
				t.Errorf("%q: %v beside %v", text, v, err)
			}
			return
		}
		for _, signature := range []string{"s", "as", "b", "ay", "i", "u", "t"} {
			if value, ok := convert(v, signature); ok && reflect.ValueOf(value).Kind() == reflect.Invalid {
				t.Errorf("%q as %s: nothing", text, signature)
			}
		}
	})
}
