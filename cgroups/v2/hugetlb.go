package v2

import (
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// hugetlb translates linux.resources.hugepageLimits. Both files of a page size are written: the first limits what a
// process may use, the second what it may reserve, which spares it the SIGBUS of the first.
func hugetlb(out []Setting, limits []specs.LinuxHugepageLimit) ([]Setting, error) {
	for i, l := range limits {
		pointer := "/linux/resources/hugepageLimits/" + strconv.Itoa(i)
		if !isPageSize(l.Pagesize) {
			return nil, fieldError(pointer+"/pageSize", "%q is no page size, such as 2MB or 1GB", l.Pagesize)
		}
		value := strconv.FormatUint(l.Limit, 10)
		out = append(
			out,
			Setting{File: "hugetlb." + l.Pagesize + ".max", Value: value, Pointer: pointer},
			Setting{File: "hugetlb." + l.Pagesize + ".rsvd.max", Value: value, Pointer: pointer},
		)
	}
	return out, nil
}

// isPageSize knows a page size as the kernel writes it in file names: digits, then KB, MB or GB.
func isPageSize(s string) bool {
	digits := strings.TrimRight(s, "KMGB")
	unit := s[len(digits):]
	if unit != "KB" && unit != "MB" && unit != "GB" {
		return false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return err == nil && strconv.FormatUint(n, 10) == digits && n > 0
}
