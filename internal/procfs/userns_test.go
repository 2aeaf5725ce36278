package procfs

import "testing"

func TestIsInitialMap(t *testing.T) {
	for in, want := range map[string]bool{
		"         0          0 4294967295\n": true,
		"         0       1000          1\n": false,
		"         0          0          1\n": false,
		"0 0 4294967294\n":                   false,
		"0 1000 1\n1 100000 65536\n":         false,
		"":                                   false,
		"         0     100000 4294967295\n": false,
		"         0          0 4294967295\n 4294967295 4294967295 1\n": false,
	} {
		if got := isInitialMap(in); got != want {
			t.Errorf("isInitialMap(%q) = %v", in, got)
		}
	}
}
