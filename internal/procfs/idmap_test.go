package procfs

import (
	"os"
	"testing"
)

func TestIDMap_Outside(t *testing.T) {
	m, err := parseIDMap("         0     400000          1\n         5     100000       1000\n1005 7 4294966000\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id, want uint32
		ok       bool
	}{
		{0, 400000, true}, {1, 0, false}, {4, 0, false}, {5, 100000, true}, {1004, 100999, true}, {1005, 7, true}, {4294967004, 4294966006, true}, {4294967005, 0, false},
	} {
		if got, ok := m.Outside(tt.id); ok != tt.ok || got != tt.want {
			t.Errorf("%d: %d, %v; want %d, %v", tt.id, got, ok, tt.want, tt.ok)
		}
	}
	for _, text := range []string{"0 1\n", "a b c\n", "0 0 4294967296\n"} {
		if _, err := parseIDMap(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestIDMap_Same(t *testing.T) {
	m := IDMap{{0, 100, 10}, {10, 500, 5}}
	for _, tt := range []struct {
		other IDMap
		want  bool
	}{
		{IDMap{{10, 500, 5}, {0, 100, 10}}, true},
		{IDMap{{10, 500, 5}, {0, 100, 4}, {4, 104, 6}}, true},
		{IDMap{{0, 100, 10}, {10, 501, 5}}, false},
		{IDMap{{0, 100, 10}}, false},
		{IDMap{{0, 100, 4}, {4, 105, 6}, {10, 500, 5}}, false},
		{nil, false},
	} {
		if got := m.Same(tt.other); got != tt.want {
			t.Errorf("%v and %v: %v, want %v", m, tt.other, got, tt.want)
		}
	}
}

func TestHandle_IDMaps(t *testing.T) {
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	uids, err := h.UIDMap(os.Getpid())
	if got, ok := uids.Outside(uint32(os.Getuid())); got != uint32(os.Getuid()) || !ok || err != nil {
		t.Errorf("%d, %v, %v", got, ok, err)
	}
	gids, err := h.GIDMap(os.Getpid())
	if got, ok := gids.Outside(uint32(os.Getgid())); got != uint32(os.Getgid()) || !ok || err != nil {
		t.Errorf("%d, %v, %v", got, ok, err)
	}
}
