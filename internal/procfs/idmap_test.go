package procfs

import (
	"os"
	"testing"
)

func TestOuterID(t *testing.T) {
	const sparse = "         0     400000          1\n         5     100000       1000\n1005 7 4294966000\n"
	for _, tt := range []struct {
		id, want uint32
		ok       bool
	}{
		{0, 400000, true}, {1, 0, false}, {4, 0, false}, {5, 100000, true}, {1004, 100999, true}, {1005, 7, true}, {4294967294, 0, false},
	} {
		if got, ok, err := outerID(sparse, tt.id); got != tt.want || ok != tt.ok || err != nil {
			t.Errorf("%d: %d, %v, %v; want %d, %v", tt.id, got, ok, err, tt.want, tt.ok)
		}
	}
	for _, text := range []string{"0 1\n", "a b c\n", "0 0 4294967296\n"} {
		if _, _, err := outerID(text, 0); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestOuterUID(t *testing.T) {
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if got, ok, err := h.OuterUID(os.Getpid(), uint32(os.Getuid())); got != uint32(os.Getuid()) || !ok || err != nil {
		t.Errorf("%d, %v, %v", got, ok, err)
	}
}
