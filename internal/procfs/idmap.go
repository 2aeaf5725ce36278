package procfs

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// IDRange maps ids of a user namespace to ids outside of it, as one line of an id map does; user_namespaces(7).
type IDRange struct{ Inside, Outside, Size uint32 }

// IDMap is that of a user namespace, in the terms of the caller's.
type IDMap []IDRange

// UIDMap is the map of user ids of the process pid.
func (h *Handle) UIDMap(pid int) (IDMap, error) { return h.idMap(pid, "uid_map") }

// GIDMap is the map of group ids of the process pid.
func (h *Handle) GIDMap(pid int) (IDMap, error) { return h.idMap(pid, "gid_map") }

func (h *Handle) idMap(pid int, file string) (IDMap, error) {
	f, err := h.Open(strconv.Itoa(pid)+"/"+file, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	return parseIDMap(string(text))
}

func parseIDMap(text string) (m IDMap, err error) {
	for line := range strings.Lines(text) {
		var n [3]uint64
		fields := strings.Fields(line)
		if len(fields) != len(n) {
			return nil, fmt.Errorf("id map: malformed line %q", line)
		}
		for i := range n {
			if n[i], err = strconv.ParseUint(fields[i], 10, 32); err != nil {
				return nil, fmt.Errorf("id map: %w", err)
			}
		}
		m = append(m, IDRange{uint32(n[0]), uint32(n[1]), uint32(n[2])})
	}
	return m, nil
}

// Outside is what the id is outside of the user namespace; ok is false for one that is not mapped.
func (m IDMap) Outside(id uint32) (outside uint32, ok bool) {
	for _, r := range m {
		if id >= r.Inside && id-r.Inside < r.Size {
			return r.Outside + (id - r.Inside), true
		}
	}
	return 0, false
}

// Same tells whether both map the same ids to the same, however they are divided into ranges.
func (m IDMap) Same(other IDMap) bool { return slices.Equal(m.joined(), other.joined()) }

// joined is the map in order, with neighbours made one.
func (m IDMap) joined() (all IDMap) {
	for _, r := range slices.SortedFunc(slices.Values(m), func(a, b IDRange) int { return cmp.Compare(a.Inside, b.Inside) }) {
		if last := len(all) - 1; last >= 0 && all[last].Inside+all[last].Size == r.Inside && all[last].Outside+all[last].Size == r.Outside {
			all[last].Size += r.Size
			continue
		}
		all = append(all, r)
	}
	return all
}
