package v2

import "testing"

func TestFormer(t *testing.T) {
	const io = "8:0 rbps=1000 wbps=max riops=max wiops=7\n8:160 rbps=9 wbps=max riops=max wiops=max"
	for _, tc := range []struct{ name, file, text, value, want string }{
		{"a value", "memory.max", "max", "4096", "max"},
		{"two words", "cpu.max", "max 100000", "5000 100000", "max 100000"},
		{"nothing", "cpuset.cpus", "", "0", "\n"},
		{"a device that has a line", "io.max", io, "8:0 wbps=3", "8:0 rbps=1000 wbps=max riops=max wiops=7"},
		{"a device without", "io.max", io, "8:16 wbps=3", "8:16 rbps=max wbps=max riops=max wiops=max"},
		{"no devices", "io.max", "", "8:16 wbps=3", "8:16 rbps=max wbps=max riops=max wiops=max"},
		{"the default weight", "io.weight", "default 100\n8:0 50", "200", "default 100"},
		{"the default weight by name", "io.weight", "default 100\n8:0 50", "default 200", "default 100"},
		{"a device's weight", "io.weight", "default 100\n8:0 50", "8:0 200", "8:0 50"},
		{"a device's first weight", "io.bfq.weight", "default 100", "8:0 200", "8:0 default"},
		{"a latency", "io.latency", "", "8:0 target=10", "8:0 target=0"},
		{"rdma", "rdma.max", "mlx4_0 hca_handle=2 hca_object=max", "mlx4_0 hca_object=5", "mlx4_0 hca_handle=2 hca_object=max"},
		{"misc", "misc.max", "sev 5\nsev_es max", "sev_es 3", "sev_es max"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := former(tc.file, tc.text, tc.value); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
