package document

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestExamine(t *testing.T) {
	for text, want := range map[string][]string{
		`{"string":"s"}`: nil,
		`{"string":1,"int":"x","list":[{"uint":-1},{"bool":5}],"map":{"a":"b"}}`: {
			"1:11 type string want a string, not a number",
			"1:19 type int want a number, not a string",
			"1:39 type list/0/uint want a whole number from 0 to 255, got -1",
			"1:51 type list/1/bool want true or false, not a number",
			"1:66 type map/a want a number, not a string",
		},
		`{"list":{"int":"x"},"string":[1]}`: {"1:9 type list want an array, not an object", "1:30 type string want a string, not an array"},
		`{"strng":"s","list":[{"deeep":{}}],"zzz":1}`: {
			`1:2 unknown-field strng did you mean "string"?`,
			`1:23 unknown-field list/0/deeep did you mean "deep"?`,
			`1:36 unknown-field zzz `,
		},
		`{"int":1,"int":2,"map":{"a":1,"b":2,"a":3},"list":[{"int":1},{"int":1}]}`: {
			"1:10 repeated-field int there a second time", "1:37 repeated-field map/a there a second time",
		},
		"{\n  \"String\": \"s\", \"INT\": 1\n}":        {`2:3 field-case String write "string"`, `2:18 field-case INT write "int"`},
		`{"s\"tring" : 1, "a\\":2}`:                    {`1:2 unknown-field s"tring did you mean "string"?`, `1:18 unknown-field a\ `},
		"{\n  \"string\": \"s\"\n  \"int\": 1\n}":      {`3:3 syntax  put a comma at the end of line 2`},
		"{\n  \"string\": \"s\"\n  \"int\": \"x\"\n}":  {`3:3 syntax  put a comma at the end of line 2`, `3:10 type int want a number`},
		`{"string":"s","strings":["a" "b",],"int":1,}`: {`1:30 syntax  comma`, `1:34 syntax  take away the comma at line 1, column 33`, `1:44 syntax  column 43`},
		"{ // why\n\"string\": \"s\", /* two\nlines */ \"int\": \"x\" # x\n}": {
			"1:3 syntax  no comments", "2:16 syntax  no comments", "3:21 syntax  no comments", "3:17 type int want a number",
		},
		`{,"string":"s",,"int":1}`: {"1:2 syntax  take this comma", "1:16 syntax  take this comma"},
		`{"string":"s","list":[`:   {"1:23 syntax  lacks ]} at its end"},
		`{"string":"s`:             {`1:13 syntax  missing "`},
		"{\"string\":\"a\nb\"}":    {`1:13 syntax  end the string in its line`},
		`{'string':1}`:             {`1:2 syntax  no single quotes`},
		`{"string":"s"}}`:          {`1:15 syntax  bracket too many`},
		``:                         {"1:1 syntax  is empty"},
		`{"int":99999,"string" "s"`: {
			"1:8 type int got 99999", "1:23 syntax  want a colon",
		},
		`{"int":"x","int" 5}`: {"1:8 type int number", "1:18 syntax  colon"},
	} {
		s := Examine[everything]([]byte(text))
		if len(s.Text) != len(text) {
			t.Errorf("%q: mended to another length: %q", text, s.Text)
		}
		if len(s.Remarks) != len(want) {
			t.Errorf("%q: %d remarks: %+v", text, len(s.Remarks), s.Remarks)
			continue
		}
		for i, r := range s.Remarks {
			steps := make([]string, len(r.Path))
			for j := range r.Path {
				steps[j] = fmt.Sprint(r.Path[j])
			}
			path := strings.Join(steps, "/")
			begin := fmt.Sprintf("%d:%d %s %s ", r.Line, r.Column, r.Kind, path)
			rest, ok := strings.CutPrefix(want[i], begin)
			if !ok || !strings.Contains(r.Message+" "+r.Hint, rest) {
				t.Errorf("%q:\ngot  %s%s (%s)\nwant %s", text, begin, r.Message, r.Hint, want[i])
			}
		}
		if broken := Decode([]byte(s.Text), new(nothing)) != nil; broken != s.Broken {
			t.Errorf("%q: broken: %v, %q", text, s.Broken, s.Text)
		}
	}
}

// nothing takes every object without a look at its members.
type nothing struct{}

// What belongs elsewhere in the specification is told so.
func TestExamine_Place(t *testing.T) {
	for text, want := range map[string]string{
		`{"readonly":true}`:                         `did you mean root.readonly?`,
		`{"rootfs":{}}`:                             `did you mean "root"?`,
		`{"process":{"capabilties":{}}}`:            `did you mean "capabilities"?`,
		`{"uidMappings":[]}`:                        `uidMappings?`,
		`{"process":{"user":{"additionalGid":[]}}}`: `did you mean "additionalGids"?`,
		`{"nonsense":1}`:                            ``,
	} {
		s := Examine[specs.Spec]([]byte(text), "windows")
		if len(s.Remarks) != 1 || s.Remarks[0].Kind != Unknown || !strings.Contains(s.Remarks[0].Hint, want) || want == "" && s.Remarks[0].Hint != "" {
			t.Errorf("%s: %+v", text, s.Remarks)
		}
	}
	s := Examine[specs.Spec]([]byte(`{"process":{"user":{"username":"x"}},"windows":{"what":1}}`), "windows")
	if len(s.Remarks) != 1 || s.Remarks[0].Kind != Foreign {
		t.Errorf("%+v", s.Remarks)
	}
}

// A large text full of mistakes takes no long time.
func TestExamine_Bounded(t *testing.T) {
	start := time.Now()
	for _, text := range []string{
		`{` + strings.TrimSuffix(strings.Repeat("\"x\":1,\n", 200000), ",\n") + `}`,
		`{"strings":[` + strings.Repeat("1 ", 200000) + `]}`,
		strings.Repeat(`{"deep":`, 9000),
	} {
		if s := Examine[everything]([]byte(text)); len(s.Remarks) == 0 || len(s.Remarks) > remarkLimit+mendLimit+1 {
			t.Errorf("%d remarks", len(s.Remarks))
		}
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestLocate(t *testing.T) {
	text := "{\n \"a\": [1, {\"b/c\": 2}],\n \"d\": {\"e\": 3}, \"d\": {\"f\": 4}\n}"
	for path, want := range map[string][2]int{
		"": {1, 1}, "a": {2, 7}, "a 0": {2, 8}, "a 1 b/c": {2, 19}, "a 7": {2, 7}, "a 1 x": {2, 11}, "nothing": {1, 1}, "d f": {3, 28}, "a x": {2, 7},
	} {
		line, column := locate(text, strings.Fields(path), func(key string) string { return key })
		if line != want[0] || column != want[1] {
			t.Errorf("%q: %d:%d, want %v", path, line, column, want)
		}
	}
}

// A comma can come in place of a line's end, and the places stay those of the text as it was.
func TestSurvey_Locate(t *testing.T) {
	s := Examine[everything]([]byte("{\n\"string\": \"s\"\n\"int\": 1}"))
	line, column := s.Locate([]string{"int"}, func(key string) string { return key })
	if s.Broken || line != 3 || column != 8 {
		t.Errorf("%d:%d in %q", line, column, s.Text)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"process", "root", "mounts", "hostname", "linux"}
	for written, want := range map[string]string{
		"proces": "process", "porcess": "process", "mount": "mounts", "Hostname": "hostname", "roof": "root", "rootfs": "root", "x": "", "": "", "env": "", "windows": "",
	} {
		if got := Nearest(names, written); got != want {
			t.Errorf("%q: got %q, want %q", written, got, want)
		}
	}
	if !Slip("mount", "mout") || !Slip("mount", "muont") || Slip("mount", "mount") || Slip("mount", "mnt2") {
		t.Error("Slip")
	}
}

// Examine and Decode agree on what is wrong, and Examine mends nothing that is right.
func FuzzExamine(f *testing.F) {
	for _, text := range seeds {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := Examine[everything](text)
		wrong := slices.ContainsFunc(s.Remarks, func(r Remark) bool { return r.Kind == Type })
		syntax := slices.ContainsFunc(s.Remarks, func(r Remark) bool { return r.Kind == Syntax })
		err := Decode(text, new(everything))
		if (err != nil) != (wrong || syntax) && len(s.Remarks) < remarkLimit {
			t.Errorf("%q: %v, %+v", text, err, s.Remarks)
		}
		if syntax == json.Valid(text) || s.Broken == json.Valid([]byte(s.Text)) || len(s.Text) != len(text) {
			t.Errorf("%q: %+v", text, s)
		}
	})
}
