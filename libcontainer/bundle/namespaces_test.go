package bundle

import (
	"slices"
	"testing"

	"tare/libcontainer/namespace"
)

func TestNamespaceTypes(t *testing.T) {
	var want []string
	for _, k := range namespace.Kinds {
		want = append(want, string(k.Type))
	}
	slices.Sort(want)
	if got := NamespaceTypes(); !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
}
