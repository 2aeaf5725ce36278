package procfs

import (
	"errors"
	"os"
	"strings"
	"testing"
)

const tail = " 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 100 200"

func TestParseStat(t *testing.T) {
	tests := []struct {
		name, text string
		want       Stat
	}{
		{"plain", "42 (sh) S" + tail, Stat{42, "sh", 'S', 1, 4194560, 4711}},
		{"space", "42 (tmux: server) R" + tail, Stat{42, "tmux: server", 'R', 1, 4194560, 4711}},
		{"lies", "42 (a) Z 7 (b) D) S" + tail + "\n", Stat{42, "a) Z 7 (b) D", 'S', 1, 4194560, 4711}},
		{"newline", "42 (a\n) S" + tail, Stat{42, "a\n", 'S', 1, 4194560, 4711}},
		{"empty name", "42 () Z" + tail, Stat{42, "", 'Z', 1, 4194560, 4711}},
		{"outside the namespace", "0 (x) I" + tail, Stat{0, "x", 'I', 1, 4194560, 4711}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseStat(tt.text)
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestParseStat_Malformed(t *testing.T) {
	for _, text := range []string{
		"", "42", "42 (sh", "42 sh) S" + tail, "(sh) S" + tail, ") (", "42 (sh) S 1 2 3", "x (sh) S" + tail,
		"42 (sh) SS" + tail, "-1 (sh) S" + tail, "42 (sh) S" + strings.Replace(tail, "4711", "-1", 1),
	} {
		if got, err := ParseStat(text); !errors.Is(err, ErrStat) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestHandle_Stat(t *testing.T) {
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	st, err := h.Stat(os.Getpid())
	if err != nil || st.PID != os.Getpid() || st.PPID != os.Getppid() || st.StartTime == 0 {
		t.Errorf("%+v, %v", st, err)
	}
	if _, err := h.Stat(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("42 (sh) S" + tail)
	f.Add("42 (a) Z 7 (b) D) S" + tail)
	f.Fuzz(func(t *testing.T, text string) {
		st, err := ParseStat(text)
		if err != nil {
			if !errors.Is(err, ErrStat) {
				t.Error(err)
			}
			return
		}
		if !strings.Contains(text, "("+st.Comm+")") {
			t.Errorf("name %q is not in %q", st.Comm, text)
		}
	})
}
