package procfs

import (
	"strings"

	"tare/internal/sys"
)

// InUserNS tells whether the caller is in another user namespace than the first, which maps all ids to themselves;
// user_namespaces(7). Without /proc it is taken to be in the first.
func InUserNS() bool {
	m, err := sys.ReadFile("/proc/self/uid_map")
	return err == nil && !isInitialMap(string(m))
}

func isInitialMap(uidMap string) bool {
	f := strings.Fields(uidMap)
	return len(f) == 3 && f[0] == "0" && f[1] == "0" && f[2] == "4294967295"
}
