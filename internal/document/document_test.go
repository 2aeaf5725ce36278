package document

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// everything has a field of each kind.
type everything struct {
	embedded
	String  string `json:"string,omitempty"`
	Bool    *bool  `json:"bool"`
	Int     int16  `json:"int"`
	Unt     uint8  `json:"uint,omitempty"`
	Hidden  string `json:"-"`
	Plain   string
	List    []everything          `json:"list"`
	Strings []string              `json:"strings,omitempty"`
	Map     map[string]*int64     `json:"map,omitempty"`
	Deep    map[string]embedded   `json:"deep"`
	Time    time.Time             `json:"time,omitempty"`
	Pointer **string              `json:"pointer"`
	Mode    *specs.ContainerState `json:"mode,omitempty"`
}

type embedded struct {
	Major uint64 `json:"major"`
	Other string `json:"other"`
}

var seeds = []string{
	``, ` `, `null`, `{}`, `[]`, `nul`, `{"string":"a\u00e9\ud83d\ude00\ud83dx\n\"","bool":true,"int":-32768,"uint":255}`,
	`{"int":32768}`, `{"int":1.0}`, `{"int":1e2}`, `{"uint":-1}`, `{"int":"1"}`, `{"STRING":"folded","Plain":"p","-":"x"}`,
	`{"list":[{"list":null},{"int":1,"major":7,"other":"o"}],"map":{"a":1,"b":null},"deep":{"x":{"major":1}}}`,
	`{"time":"2026-11-21T18:00:00.5Z","pointer":"p","mode":"running","strings":["a","b","c","d","e"]}`,
	`{"time":"yesterday"}`, `{"time":5}`, `{"list":{}}`, `{"map":[]}`, `{"unknown":[1,{"a":[true,false,null]},"s\t"]}`, `{"a":1,}`, `[1,]`,
	`{"a"}`, `{"a":}`, "{\"string\":\"\x01\"}", "{\"string\":\"\xff\xfe\"}", `{"string":"\x"}`, `{"string":"\u12"}`, `{"int":01}`, `{"int":-}`,
	`{"int":1.}`, `{} x`, `{"string":"\ud83d\u0041"}`, `{"ſtring":"long s"}`, `{"string":"\u+123"}`, `{"a":"\ud83d\u"}`, `tru`, `"a`,
}

func TestDecodeLikeEncodingJSON(t *testing.T) {
	for _, text := range seeds {
		compare[everything](t, []byte(text))
	}
}

// compare wants what encoding/json makes of a text, and of the value that comes of it.
func compare[T any](t *testing.T, text []byte) {
	t.Helper()
	var got, want T
	err := Decode(text, &got)
	wantErr := json.Unmarshal(text, &want)
	if (err == nil) != (wantErr == nil) {
		t.Errorf("%q: got %v, want %v", text, err, wantErr)
		return
	}
	if err != nil {
		var m *Mistake
		if !errors.As(err, &m) || m.Line < 1 || m.Column < 1 || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%q: %#v", text, err)
		}
		return
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q:\ngot  %+v\nwant %+v", text, got, want)
	}
	wantText, err := json.Marshal(&got)
	if err != nil {
		return // a year of more than four digits
	}
	var wantAny, gotAny any
	if err := errors.Join(json.Unmarshal(wantText, &wantAny), json.Unmarshal(Encode(&got), &gotAny)); err != nil || !reflect.DeepEqual(gotAny, wantAny) {
		t.Errorf("%q: %v: encoded as %s, want %s", text, err, Encode(&got), wantText)
	}
}

func TestMistakes(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Mistake
	}{
		{"{\n  \"list\": [{}, {\"int\": \"x\"}]\n}", Mistake{2, 24, []any{"list", 1, "int"}, "want a number, not a string"}},
		{`{"int":99999}`, Mistake{1, 8, []any{"int"}, "want a whole number from -32768 to 32767, got 99999"}},
		{`{"string":{}, "int":"later"}`, Mistake{1, 11, []any{"string"}, "want a string, not an object"}},
		{`{"bool":[`, Mistake{1, 10, nil, "not JSON: unexpected end, want a value"}},
		{`{"é": 1,}`, Mistake{1, 9, nil, `not JSON: invalid character '}', want a member's name in quotes`}},
		{` `, Mistake{1, 1, nil, "is empty, want a JSON object"}},
		{`[]`, Mistake{1, 1, nil, "want an object, not an array"}},
		{`{"time":1}`, Mistake{1, 9, []any{"time"}, "want a string, not a number"}},
		{strings.Repeat("[", maxDepth+1), Mistake{1, 1, nil, ""}},
	} {
		var v everything
		err := Decode([]byte(tc.text), &v)
		var m *Mistake
		if !errors.As(err, &m) {
			t.Errorf("%.40q: %v", tc.text, err)
			continue
		}
		if tc.want.Message == "" {
			if !strings.Contains(m.Message, "nested deeper") {
				t.Errorf("%.40q: %v", tc.text, err)
			}
			continue
		}
		if m.Line != tc.want.Line || m.Column != tc.want.Column || m.Message != tc.want.Message || !samePath(m.Path, tc.want.Path) {
			t.Errorf("%.40q:\ngot  %+v\nwant %+v", tc.text, *m, tc.want)
		}
	}
}

func samePath(a, b []any) bool { return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b) }

// What is to be ignored need be JSON, of any type, and on the outermost level only.
func TestIgnore(t *testing.T) {
	var v everything
	text := `{"int":"wrong","string":"s","list":[{"int":3}]}`
	if err := Decode([]byte(text), &v, "int"); err != nil || v.String != "s" || v.List[0].Int != 3 {
		t.Errorf("%v: %+v", err, v)
	}
	if err := Decode([]byte(`{"int":oops}`), &v, "int"); err == nil {
		t.Error("took what is not JSON")
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range seeds {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !repeats(text) { // members given twice are merged by encoding/json, in its own way
			compare[everything](t, text)
		}
	})
}

// repeats says whether some object has a member twice, in any spelling that encoding/json takes for the same.
func repeats(text []byte) bool {
	twice := false
	d := decoder{text: string(text)}
	defer func() { _ = recover() }()
	var look func()
	look = func() {
		switch d.text[d.begin()] {
		case '{':
			var seen []string
			d.members(func(key string) {
				for _, s := range seen {
					twice = twice || strings.EqualFold(s, key)
				}
				seen = append(seen, key)
				look()
			})
		case '[':
			d.elements(func(int) { look() })
		default:
			d.skip()
		}
	}
	look()
	return twice
}
