package testutil

import (
	"os"
	"slices"
	"testing"

	"tare/internal/testutil/view"
)

// LeakFDs opens descriptors on the host's root for a runtime to inherit, as a careless caller would. They come after
// standard error: 3, 4, ...
func LeakFDs(t testing.TB, n int) []*os.File {
	t.Helper()
	var files []*os.File
	for range n {
		f, err := os.Open("/")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files = append(files, f)
	}
	return files
}

// OnlyFDs reports every descriptor of the workload's beyond those named, and every one of those that is missing.
func OnlyFDs(t testing.TB, r *view.Report, want ...int) {
	t.Helper()
	if r.FDs == nil {
		t.Fatal("the workload could not list its descriptors")
	}
	for _, fd := range r.FDs {
		if !slices.Contains(want, fd.Number) {
			t.Errorf("descriptor %d leaked into the workload: %s", fd.Number, fd.Target)
		}
	}
	for _, n := range want {
		if !slices.ContainsFunc(r.FDs, func(fd view.FD) bool { return fd.Number == n }) {
			t.Errorf("the workload has no descriptor %d", n)
		}
	}
}
