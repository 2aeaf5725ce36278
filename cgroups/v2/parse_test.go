package v2

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"
	"testing"

	"tare/cgroups/stats"
)

func TestFlatValue(t *testing.T) {
	text := []byte("low 0\nhigh 12\noom 1\noom_kill 3\nbad\nlast 9")
	for key, want := range map[string]uint64{"low": 0, "high": 12, "oom": 1, "oom_kill": 3, "bad": 0, "last": 9, "": 0, "absent": 0} {
		if got := flatValue(text, key); got != want {
			t.Errorf("%q: %d, want %d", key, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for text, want := range map[string]uint64{
		"": 0, "0\n": 0, "7\n": 7, "max\n": math.MaxUint64, "18446744073709551615": math.MaxUint64, "18446744073709551616": 0, "-1": 0, "1 2": 0, "0x10": 0,
	} {
		if got := number([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestFlat(t *testing.T) {
	got := flat([]byte("anon 4096\nfile max\nbroken\n odd 1\nlast 3"))
	if want := map[string]uint64{"anon": 4096, "file": math.MaxUint64, "last": 3}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, text := range []string{"", "\n", "word\n"} {
		if got := flat([]byte(text)); got != nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestNested(t *testing.T) {
	var got []string
	nested([]byte("8:0 rbytes=5 wbytes=max x =3 y=\n\n8:16\n"), func(name string, values map[string]uint64) {
		got = append(got, name)
		if name == "8:0" && !maps.Equal(values, map[string]uint64{"rbytes": 5, "wbytes": math.MaxUint64, "": 3, "y": 0}) {
			t.Errorf("%v", values)
		}
	})
	if !slices.Equal(got, []string{"8:0", "8:16"}) {
		t.Errorf("%q", got)
	}
}

func TestDevice(t *testing.T) {
	if major, minor, ok := device("259:3"); major != 259 || minor != 3 || !ok {
		t.Errorf("%d:%d %v", major, minor, ok)
	}
	for _, name := range []string{"", "8", ":", "8:", ":0", "8:0:1", "-8:0", "8:4294967296", "(unknown)"} {
		if _, _, ok := device(name); ok {
			t.Errorf("%q is a device", name)
		}
	}
}

func TestPressure(t *testing.T) {
	got := pressure([]byte("some avg10=1.50 avg60=0.25 avg300=0.00 total=123456\nfull avg10=100.00 avg60=nan avg300=inf total=x\nother avg10=3\n"))
	want := &stats.PSI{Some: stats.Pressure{Avg10: 1.5, Avg60: 0.25, Total: 123456}, Full: stats.Pressure{Avg10: 100}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := pressure(nil); got != nil {
		t.Errorf("%+v of nothing", got)
	}
}

func TestList(t *testing.T) {
	for text, want := range map[string][]uint16{
		"": nil, "\n": nil, "0\n": {0}, "0-2,7\n": {0, 1, 2, 7}, "5-3": nil, "1,1,0-1,2": {1, 2}, "65535-65536": nil, "65534-65535": {65534, 65535}, "a,-,3-": nil, "1 2": nil,
	} {
		if got := list([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// Whatever a file says, reading it ends, and JSON can hold the outcome.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"populated 1\nfrozen 0\n", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n", "some avg10=0.00 avg60=1e308 avg300=inf total=0\n", "0-65535,0-65535",
	} {
		f.Add([]byte(seed), "frozen")
	}
	f.Fuzz(func(t *testing.T, text []byte, key string) {
		flatValue(text, key)
		nested(text, func(name string, _ map[string]uint64) { device(name) })
		if cpus := list(text); len(cpus) > 1<<16 || !slices.IsSorted(cpus) {
			t.Errorf("list of %d numbers", len(cpus))
		}
		if _, err := json.Marshal(pressure(text)); err != nil {
			t.Error(err)
		}
		flat(text)
		for _, file := range []string{"io.max", "cpu.max"} {
			if former(file, string(text), key) == "" {
				t.Errorf("nothing to write back to %s", file)
			}
		}
	})
}
