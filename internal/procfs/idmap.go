package procfs

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// OuterUID is the uid, in the caller's user namespace, of the uid of that of the process pid; ok is false for one that is not mapped.
// user_namespaces(7).
func (h *Handle) OuterUID(pid int, uid uint32) (outer uint32, ok bool, err error) {
	f, err := h.Open(strconv.Itoa(pid)+"/uid_map", unix.O_RDONLY)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return 0, false, err
	}
	return outerID(string(text), uid)
}

func outerID(idMap string, id uint32) (outer uint32, ok bool, err error) {
	for line := range strings.Lines(idMap) {
		var n [3]uint64 // the first id inside, the first outside, how many
		fields := strings.Fields(line)
		if len(fields) != len(n) {
			return 0, false, fmt.Errorf("id map: malformed line %q", line)
		}
		for i := range n {
			if n[i], err = strconv.ParseUint(fields[i], 10, 32); err != nil {
				return 0, false, fmt.Errorf("id map: %w", err)
			}
		}
		if at := uint64(id); at >= n[0] && at-n[0] < n[2] {
			return uint32(n[1] + at - n[0]), true, nil
		}
	}
	return 0, false, nil
}
