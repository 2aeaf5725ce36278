package step

import (
	"errors"
	"os"
	"slices"
	"testing"
)

func TestRun_UndoesInReverse(t *testing.T) {
	var trace []string
	note := func(s string, err error) func(*int) error {
		return func(*int) error { trace = append(trace, s); return err }
	}
	steps := []Step[*int]{
		{Name: "a", Run: note("a", nil), Undo: note("-a", nil)},
		{Name: "b", Run: note("b", nil)},
		{Name: "c", Run: note("c", nil), Undo: note("-c", os.ErrClosed)},
		{Name: "d", Run: note("d", os.ErrExist), Undo: note("-d", nil)},
		{Name: "e", Run: note("e", nil)},
	}
	err := Run(new(int), steps)
	if want := []string{"a", "b", "c", "d", "-c", "-a"}; !slices.Equal(trace, want) {
		t.Errorf("ran %v, want %v", trace, want)
	}
	if e, ok := errors.AsType[*Error](err); !ok || e.Step != "d" {
		t.Errorf("%v: want the error of step d", err)
	}
	if !errors.Is(err, os.ErrExist) || !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v: want both errors in it", err)
	}
	if got, want := err.Error(), "file already exists; and undoing c: file already closed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
