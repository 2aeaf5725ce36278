package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tare/libcontainer/bundle"
)

// Each option sets the field that its pointer names, which is how mistakes find back to it.
func TestLimitOptions(t *testing.T) {
	for _, l := range limitOptions() {
		o := &updateOptions{limits: []*limitOption{l}}
		l.value = "1"
		res, _, err := o.read()
		if err != nil {
			t.Errorf("--%s: %v", l.name, err)
			continue
		}
		raw, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		section, field, _ := strings.Cut(strings.TrimPrefix(l.pointer, "/"), "/")
		value := "1"
		if field == "cpus" || field == "mems" {
			value = `"1"`
		}
		if want := `{"` + section + `":{"` + field + `":` + value + `}}`; string(raw) != want {
			t.Errorf("--%s 1 is %s, want %s", l.name, raw, want)
		}
		got := o.inOptions(bundle.Problems{{Pointer: l.pointer, Message: "is wrong"}}).Error()
		if got != "--"+l.name+": is wrong" {
			t.Errorf("a mistake in %s: %s", l.pointer, got)
		}
	}
}

func TestParseInteger(t *testing.T) {
	if n, err := parseInteger[int64]("-1"); n != -1 || err != nil {
		t.Errorf("-1: %d, %v", n, err)
	}
	if n, err := parseInteger[uint64]("010"); n != 10 || err != nil {
		t.Errorf("010: %d, %v", n, err)
	}
	if n, err := parseInteger[uint16]("65535"); n != 65535 || err != nil {
		t.Errorf("65535: %d, %v", n, err)
	}
	for s, want := range map[string]string{
		"": "whole number", "x": "whole number", "1.5": "whole number", "0x1": "whole number", "1 ": "whole number",
		"-1": "negative", "65536": "out of range: want a whole number from 0 to 65535", "99999999999999999999": "out of range",
	} {
		if n, err := parseInteger[uint16](s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %d, %v, want one that says %q", s, n, err, want)
		}
	}
}

func TestParseInteger_Range(t *testing.T) {
	const s = "-99999999999999999999"
	_, signed := parseInteger[int64](s)
	_, unsigned := parseInteger[uint64](s)
	_, integer := parseInteger[int](s)
	for err, want := range map[error]string{
		signed:   "is out of range: want a whole number from -9223372036854775808 to 9223372036854775807",
		unsigned: "is out of range: want a whole number from 0 to 9223372036854775807",
		integer:  fmt.Sprintf("is out of range: want a whole number from %d to %d", math.MinInt, math.MaxInt),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestReadResources(t *testing.T) {
	file := filepath.Join(t.TempDir(), "limits")
	for text, want := range map[string]string{
		`{"pids": {"limit": 7}, "bogus": 1}`: "",
		`null`:                               "",
		`{"memory": null, "cpu": null, "pids": null}`: "",
		``:                         ":1:1: is empty, want a JSON object",
		`{"pids": {"limit": "x"}}`: ":1:20: pids.limit (/pids/limit): want a number, not a string",
		`{"cpu": {"shares": -1}}`:  ":1:20: cpu.shares (/cpu/shares): want a whole number from 0 to",
		`{} {}`:                    ":1:4: not JSON",
		`[]`:                       "want an object, not an array",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := readResources(file)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), file)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
