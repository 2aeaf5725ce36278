package stats

import (
	"encoding/json"
	"math"
	"testing"
)

// Readers of `events` go by these names, and by what is left out.
func TestJSON(t *testing.T) {
	for _, tc := range []struct {
		name string
		s    Stats
		want string
	}{
		{
			"nothing",
			Stats{Hugetlb: map[string]Hugetlb{}},
			`{"cpu":{"usage":{"kernel":0,"user":0},"throttling":{}},` +
				`"cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,"memory_spread_slab":0,` +
				`"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0},` +
				`"memory":{},"pids":{},"blkio":{},"hugetlb":{}}`,
		},
		{
			"some of all",
			Stats{
				CPU:    CPU{Usage: CPUUsage{Total: 3, Kernel: 1, User: 2}, Throttling: Throttling{Periods: 4, ThrottledPeriods: 5, ThrottledTime: 6}, PSI: &PSI{Some: Pressure{Avg10: 0.5, Total: 7}}},
				CPUSet: CPUSet{CPUs: []uint16{0, 1}, Mems: []uint16{0}},
				Memory: Memory{
					Cache: 8, Usage: MemoryEntry{Limit: math.MaxUint64, Usage: 9}, Raw: map[string]uint64{"anon": 10}, Events: map[string]uint64{"oom_kill": 11},
				},
				Pids:    Pids{Current: 12, Limit: 13},
				BlockIO: BlockIO{IoServiceBytesRecursive: []BlockIOEntry{{Major: 8, Op: "Read", Value: 14}}},
				Hugetlb: map[string]Hugetlb{"2MB": {Usage: 15}},
			},
			`{"cpu":{"usage":{"total":3,"kernel":1,"user":2},"throttling":{"periods":4,"throttledPeriods":5,"throttledTime":6},` +
				`"psi":{"some":{"avg10":0.5,"avg60":0,"avg300":0,"total":7},"full":{"avg10":0,"avg60":0,"avg300":0,"total":0}}},` +
				`"cpuset":{"cpus":[0,1],"cpu_exclusive":0,"mems":[0],"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,` +
				`"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0},` +
				`"memory":{"cache":8,"usage":{"limit":18446744073709551615,"usage":9,"failcnt":0},"raw":{"anon":10},"events":{"oom_kill":11}},` +
				`"pids":{"current":12,"limit":13},"blkio":{"ioServiceBytesRecursive":[{"major":8,"minor":0,"op":"Read","value":14}]},` +
				`"hugetlb":{"2MB":{"usage":15,"failcnt":0}}}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := json.Marshal(tc.s)
			if err != nil || string(got) != tc.want {
				t.Errorf("got  %s (%v)\nwant %s", got, err, tc.want)
			}
		})
	}
}
