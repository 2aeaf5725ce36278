package parity

import (
	"sync"
	"testing"

	. "tare/internal/testutil"
)

func TestMain(m *testing.M) { Main(m) }

func TestLikeRunc(t *testing.T) {
	NeedRoot(t)
	if !IsTare() {
		t.Skip("compares tare with runc")
	}
	runc := NeedProgram(t, "runc")
	var seen sync.Map // by the meant difference's place
	t.Run("calls", func(t *testing.T) {
		for name, call := range invocations {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				compare(t, name, outcomeOf(t, Runtime(), call), outcomeOf(t, runc, call), &seen)
			})
		}
	})
	for i := range meant {
		if _, ok := seen.Load(i); !ok {
			t.Errorf("no call shows this difference any more: %s", meant[i].what)
		}
	}
}

func compare(t *testing.T, name string, ours, theirs outcome, seen *sync.Map) {
	for _, field := range differences(ours, theirs) {
		known := false
		for i := range meant {
			if meant[i].covers(name, field) {
				known = true
				seen.Store(i, true)
			}
		}
		if !known {
			t.Errorf("%s: %q, and with runc %q", field, ours[field], theirs[field])
		}
	}
}
