package bundle

import (
	"slices"
	"testing"
)

func TestCPUs(t *testing.T) {
	for list, want := range map[string][]int{
		"0": {0}, "3,1": {3, 1}, "0-2,7": {0, 1, 2, 7}, " 4 , 6-6\n": {4, 6}, "10-12": {10, 11, 12},
	} {
		if !isList(list) {
			t.Errorf("%q is no list", list)
		}
		if got := CPUs(list); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", list, got, want)
		}
	}
}
