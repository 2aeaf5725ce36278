// Package attr sets what a process has by one system call each and hands on to its children: scheduler, I/O priority,
// personality and memory policy. It knows the specification's names for them, and says why a kernel refuses one.
package attr

// table holds names of the specification, with the kernel's numbers.
type table []struct {
	name   string
	number uint64
}

func (t table) names() []string {
	all := make([]string, len(t))
	for i := range t {
		all[i] = t[i].name
	}
	return all
}

// number is 0 for a name that is unknown, which the checks of the bundle refuse.
func (t table) number(name string) uint64 {
	for i := range t {
		if t[i].name == name {
			return t[i].number
		}
	}
	return 0
}

// bits is the sum of the numbers of names.
func bits[S ~string](t table, names []S) (sum uint64) {
	for _, name := range names {
		sum |= t.number(string(name))
	}
	return sum
}
