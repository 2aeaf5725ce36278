package bundle

import (
	"slices"
	"strconv"
	"strings"
)

// listLimit is the highest number of a CPU or node that is believed; the kernel's largest builds have 8192 CPUs.
const listLimit = 1 << 16

// checkList finds fault with a list of CPUs or memory nodes, like 0-3,7. An empty one is none.
func (r *report) checkList(list string, steps ...any) {
	if list != "" && !isList(list) {
		r.add(at(steps...), "must be a list of numbers and ranges like 0-3,7, got %s", quote(list))
	}
}

// isList knows the format of cpuset(7), with the stride of a range (0-31:2/16) left out: no other reader has it.
func isList(list string) bool {
	for item := range strings.SplitSeq(strings.TrimSuffix(list, "\n"), ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(item), "-")
		low, ok := listNumber(first)
		if !ok {
			return false
		}
		if !isRange {
			continue
		}
		if high, ok := listNumber(last); !ok || high < low {
			return false
		}
	}
	return true
}

// CPUs are the numbers of a list that the checks of this package have found to be one.
func CPUs(list string) (all []int) {
	for item := range strings.SplitSeq(strings.TrimSuffix(list, "\n"), ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(item), "-")
		low, _ := listNumber(first)
		high := low
		if isRange {
			high, _ = listNumber(last)
		}
		for n := low; n <= high; n++ {
			all = append(all, n)
		}
	}
	return all
}

func listNumber(s string) (int, bool) {
	if !isDigits(s) {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n < listLimit
}

// sortedKeys makes the order of findings about a map the same each time.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
