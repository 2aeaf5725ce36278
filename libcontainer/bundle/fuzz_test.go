package bundle

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func addSeeds(f *testing.F) {
	broken, err := filepath.Glob(filepath.Join(brokenDir, "*.json"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(broken, validFiles(f)...) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`null`))
	f.Add([]byte(`{"process":null,"linux":null,"hooks":null}`))
	f.Add([]byte(`{"process":{},"linux":{"resources":{},"seccomp":null,"personality":null}}`))
	f.Add([]byte(`{"linux":{"resources":{"blockIO":null,"rdma":{}},"netDevices":{"a\nb":{"name":"x\ny"}}}}`))
	f.Add([]byte(`{"process":{"scheduler":{},"consoleSize":{}}}`))
}

// FuzzLoad does what Load does to a text: nothing panics, nothing is accepted and refused at once, errors are one line.
func FuzzLoad(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		spec, err := decode(text)
		if err != nil {
			oneLine(t, err.Error())
			var where *DecodeError
			if !errors.As(err, &where) || where.Line < 1 || where.Column < 1 {
				t.Errorf("without a place: %v", err)
			}
			return
		}
		if err := Validate(spec).Err(); err != nil {
			oneLine(t, err.Error())
		}
		for _, warning := range Warnings(spec) {
			oneLine(t, warning)
		}
	})
}

func oneLine(t *testing.T, text string) {
	t.Helper()
	if strings.ContainsAny(text, "\n\r\x00") {
		t.Errorf("not one line: %q", text)
	}
}

// linuxSpec hides the sections that say nothing to a Linux container.
type linuxSpec struct {
	*specs.Spec
	Solaris *ignored `json:"solaris"`
	Windows *ignored `json:"windows"`
	VM      *ignored `json:"vm"`
	ZOS     *ignored `json:"zos"`
	FreeBSD *ignored `json:"freebsd"`
}

// ignored is a section of which not even the type is checked.
type ignored struct{}

// UnmarshalJSON takes anything.
func (*ignored) UnmarshalJSON([]byte) error { return nil }

// FuzzDecode has encoding/json decode the whole type, and wants the same.
func FuzzDecode(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		want := new(specs.Spec)
		wantErr := json.Unmarshal(text, &linuxSpec{Spec: want})
		got, err := decode(text)
		if (err == nil) != (wantErr == nil) {
			if repeats(text) {
				return
			}
			t.Fatalf("got %v, want %v", err, wantErr)
		}
		// A member given twice is merged in one way by one, in another by the other.
		if err == nil && !reflect.DeepEqual(got, want) && !repeats(text) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

// repeats says whether some object has a member twice, in any spelling that encoding/json takes for the same.
func repeats(text []byte) bool {
	dec := json.NewDecoder(strings.NewReader(string(text)))
	twice, _ := repeatsValue(dec)
	return twice
}

func repeatsValue(dec *json.Decoder) (bool, error) {
	token, err := dec.Token()
	if err != nil {
		return false, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return false, nil
	}
	twice := false
	seen := []string{}
	for dec.More() {
		if delim == '{' {
			key, err := dec.Token()
			if err != nil {
				return twice, err
			}
			for _, s := range seen {
				twice = twice || strings.EqualFold(s, key.(string))
			}
			seen = append(seen, key.(string))
		}
		inner, err := repeatsValue(dec)
		twice = twice || inner
		if err != nil {
			return twice, err
		}
	}
	if _, err := dec.Token(); err != nil && err != io.EOF {
		return twice, err
	}
	return twice, nil
}
