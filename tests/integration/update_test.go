package integration

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// updateFrom gives limits to `update --resources -`, as managers do.
func updateFrom(c *Container, text string, flags ...string) *Result {
	cmd := c.Command(append(append([]string{"update", "--resources", "-"}, flags...), c.ID)...)
	cmd.Stdin = strings.NewReader(text)
	return c.Do(cmd)
}

// Each option in its turn, on top of those before it.
func TestUpdate(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "update")
	NeedController(t, "cpu", "cpuset", "memory", "pids")
	c := NewContainer(t, Args("sleep"))
	dir := CgroupOf(t, c.Create(), "")
	hasSwap := exists(dir + "/memory.swap.max")
	for _, tt := range []struct {
		args string
		want map[string]string
	}{
		{"--memory 64m --memory-swap 96MiB", map[string]string{"memory.max": "67108864", "memory.swap.max": "33554432"}},
		{"--memory-swap 80m", map[string]string{"memory.max": "67108864", "memory.swap.max": "16777216"}},
		{"--memory-reservation 0.5m", map[string]string{"memory.low": "524288", "memory.max": "67108864"}},
		{"--memory 1g", map[string]string{"memory.max": "1073741824", "memory.swap.max": "16777216"}},
		{"--memory -1", map[string]string{"memory.max": "max", "memory.swap.max": "max"}},
		{"--cpu-quota 20000", map[string]string{"cpu.max": "20000 100000"}},
		{"--cpu-period 50000", map[string]string{"cpu.max": "20000 50000"}},
		{"--cpu-quota=30000", map[string]string{"cpu.max": "30000 50000"}},
		{"--cpu-quota -1", map[string]string{"cpu.max": "max 50000"}},
		{"--cpu-quota 20000 --cpu-burst 10000", map[string]string{"cpu.max": "20000 50000", "cpu.max.burst": "10000"}},
		{"--cpu-burst 0", map[string]string{"cpu.max.burst": "0"}},
		{"--cpu-share 512 --pids-limit 77", map[string]string{"pids.max": "77", "cpu.weight": "59"}},
		{"--cpu-idle 1", map[string]string{"cpu.idle": "1"}},
		{"--cpu-idle 0", map[string]string{"cpu.idle": "0", "cpu.weight": "59"}},
		{"--cpuset-cpus 0 --cpuset-mems 0", map[string]string{"cpuset.cpus": "0", "cpuset.mems": "0"}},
		{"--pids-limit -1", map[string]string{"pids.max": "max"}},
		{"--kernel-memory 5m --kernel-memory-tcp 6m --pids-limit 50", map[string]string{"pids.max": "50"}},
	} {
		args := append([]string{"update"}, strings.Fields(tt.args)...)
		if res := c.Tare(append(args, c.ID)...).OK(t); res.Stdout+res.Stderr != "" {
			t.Errorf("%s: it says %q %q", tt.args, res.Stdout, res.Stderr)
		}
		for file, value := range tt.want {
			if file == "memory.swap.max" && !hasSwap || file == "cpu.weight" && !IsTare() {
				continue
			}
			if got := CgroupFile(t, dir, file); got != value {
				t.Errorf("%s: %s is %q, want %q", tt.args, file, got, value)
			}
		}
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// What managers send: all members, many of them 0 or null.
func TestUpdateResources(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "update")
	NeedController(t, "cpu", "memory", "pids")
	c := NewContainer(t, Args("sleep"), func(s *specs.Spec) {
		limit := int64(64 << 20)
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit}
	})
	dir := CgroupOf(t, c.Create(), "")
	check := func(want map[string]string) {
		t.Helper()
		for file, value := range want {
			if got := CgroupFile(t, dir, file); got != value {
				t.Errorf("%s is %q, want %q", file, got, value)
			}
		}
	}
	updateFrom(c, `{"cpu":{"shares":0,"quota":20000,"period":0,"cpus":"","mems":""},"memory":{"limit":0,"reservation":0,"swap":0},
		"blockIO":{"weight":0},"pids":{"limit":50},"unified":{"memory.high":"33554432"}}`).OK(t)
	check(map[string]string{"cpu.max": "20000 100000", "memory.max": "67108864", "pids.max": "50", "memory.high": "33554432"})
	if IsTare() {
		updateFrom(c, `{"memory":null,"cpu":null,"pids":null,"blockIO":null,"devices":null,"network":null,"rdma":null}`).OK(t)
		updateFrom(c, `null`).OK(t)
	}
	updateFrom(c, `{"bogus":1}`).OK(t)
	updateFrom(c, `{"pids":{"limit":60}}`, "--pids-limit", "70").OK(t)
	check(map[string]string{"cpu.max": "20000 100000", "memory.max": "67108864", "pids.max": "60"})

	file := c.Dir + "/limits.json"
	if err := os.WriteFile(file, []byte(`{"memory":{"limit":134217728}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Tare("update", "--resources="+file, c.ID).OK(t)
	check(map[string]string{"memory.max": "134217728", "pids.max": "60"})
}

// If one limit cannot hold, none changes: in the kernel, and for the next update.
func TestUpdateAllOrNothing(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "update")
	NeedController(t, "cpu", "cpuset", "memory", "pids")
	if !IsTare() {
		t.Skip("the others keep what was written before the failure, or forget what they had")
	}
	c := NewContainer(t, Args("sleep"))
	dir := CgroupOf(t, c.Create(), "")
	c.Tare("update", "--memory", "64m", "--cpu-quota", "20000", "--pids-limit", "50", c.ID).OK(t)
	files := []string{"memory.max", "memory.swap.max", "cpu.max", "cpu.max.burst", "pids.max", "cpuset.cpus"}
	before := map[string]string{}
	for _, file := range files {
		if exists(dir + "/" + file) {
			before[file] = CgroupFile(t, dir, file)
		}
	}
	state, err := os.ReadFile(c.Root + "/" + c.ID + "/state.json")
	if err != nil {
		t.Fatal(err)
	}
	c.Tare("update", "--memory", "32m", "--cpu-quota", "10000", "--pids-limit", "40", "--cpuset-cpus", "4000", c.ID).
		Fails(t, "linux.resources.cpu.cpus (/linux/resources/cpu/cpus): write \"4000\"")
	c.Tare("update", "--pids-limit", "40", "--cpu-burst", "30000", c.ID).Fails(t, "30000", "20000")
	updateFrom(c, `{"memory":{"limit":33554432},"unified":{"memory.bogus":"1"}}`).Fails(t, "/linux/resources/unified/memory.bogus")
	for file, value := range before {
		if got := CgroupFile(t, dir, file); got != value {
			t.Errorf("%s is %q, was %q", file, got, value)
		}
	}
	if now, err := os.ReadFile(c.Root + "/" + c.ID + "/state.json"); err != nil || string(now) != string(state) {
		t.Errorf("state.json is\n%s, %v, was\n%s", now, err, state)
	}
}

// A paused container takes new limits, and stays paused.
func TestUpdatePaused(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "update", "pause")
	NeedController(t, "pids", "memory")
	c := NewContainer(t, Args("cpu", "600"))
	pid := c.Create()
	c.Start()
	c.Tare("pause", c.ID).OK(t)
	before := ticks(t, pid)
	c.Tare("update", "--pids-limit", "50", "--memory", "64m", c.ID).OK(t)
	if got := CgroupFile(t, CgroupOf(t, pid, ""), "pids.max"); got != "50" {
		t.Errorf("pids.max is %s", got)
	}
	if s := c.State(); s.Status != paused || ticks(t, pid) != before {
		t.Errorf("status %s after update, %d ticks later", s.Status, ticks(t, pid)-before)
	}
}

// A limit that is lowered holds from then on.
func TestUpdatePidsInForce(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "update")
	NeedController(t, "pids")
	c := NewContainer(t, Args("fork", "50"))
	pid, output := c.WithOutput("create")
	c.Tare("update", "--pids-limit", "30", c.ID).OK(t)
	c.Start()
	c.Wait(pid)
	made, errno, _ := strings.Cut(strings.TrimSpace(output()), " ")
	if n, err := strconv.Atoi(made); err != nil || n >= 30 || errno != "EAGAIN" {
		t.Errorf("fork under a limit of 30: %q", output())
	}
}

const (
	denyAll   = `{"allow": false, "access": "rwm"}`
	allowKmsg = `{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}`
)

// withKmsg makes a container that tries to read the device 1:11 when it is started.
func withKmsg(t *testing.T, rules string) (c *Container, opens func() string) {
	t.Helper()
	c = NewContainer(t, Args("open", "/dev/it", "rdonly"), WithCaps("CAP_SYSLOG"), func(s *specs.Spec) {
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/it", Type: "c", Major: 1, Minor: 11}}
		s.Linux.Resources = &specs.LinuxResources{}
		if err := json.Unmarshal([]byte("["+rules+"]"), &s.Linux.Resources.Devices); err != nil {
			t.Fatal(err)
		}
	})
	pid, output := c.WithOutput("create")
	return c, func() string {
		c.Start()
		c.Wait(pid)
		return output()
	}
}

// Device rules can be changed, either way, as a whole, and not by an update that fails.
func TestUpdateDevices(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "update")
	if !IsTare() {
		t.Skip("the others ignore device rules in an update")
	}
	for name, tt := range map[string]struct{ before, update, out string }{
		"allowed":           {denyAll, `{"devices": [` + denyAll + `, ` + allowKmsg + `]}`, "ok\n"},
		"denied":            {denyAll + ", " + allowKmsg, `{"devices": [` + denyAll + `]}`, "EPERM\n"},
		"none":              {denyAll + ", " + allowKmsg, `{"devices": []}`, "EPERM\n"},
		"others only":       {denyAll + ", " + allowKmsg, `{}`, "ok\n"},
		"failed: no change": {denyAll, `{"devices": [` + allowKmsg + `], "cpu": {"cpus": "4000"}}`, "EPERM\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, opens := withKmsg(t, tt.before)
			if res := updateFrom(c, tt.update); strings.HasPrefix(name, "failed") {
				res.Fails(t, "/linux/resources/cpu/cpus")
			} else {
				res.OK(t)
			}
			if got := opens(); got != tt.out {
				t.Errorf("open after the update: %q, want %q", got, tt.out)
			}
		})
	}
}

func TestUpdateErrors(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "update")
	c := NewContainer(t, Args("sleep"))
	pid := c.Create()
	if IsTare() {
		for args, text := range map[string]string{
			"":                             "nothing to change",
			"--memory abc":                 `--memory: invalid value "abc"`,
			"--memory -5":                  `--memory: invalid value "-5"`,
			"--memory 5m --memory-swap 4m": "--memory-swap: is memory and swap together",
			"--cpu-quota 10":               "--cpu-quota: must be at least 1000",
			"--cpu-period 10":              "--cpu-period: must be from 1000",
			"--cpu-share -1":               `--cpu-share: invalid value "-1": must not be negative`,
			"--cpu-idle 2":                 "--cpu-idle: must be from 0 to 1",
			"--cpuset-cpus x":              "--cpuset-cpus: must be a list",
			"--pids-limit -2":              "--pids-limit: must be a number of tasks",
			"--blkio-weight 5":             "--blkio-weight: must be from 10 to 1000",
			"--l3-cache-schema L3:0=f":     "without linux.intelRdt",
			"--mem-bw-schema MB:0=10":      "without linux.intelRdt",
			"--resources /nonexistent":     "--resources: open /nonexistent: no such file or directory",
		} {
			res := c.Tare(append(append([]string{"update"}, strings.Fields(args)...), c.ID)...).Fails(t, text)
			if strings.Count(res.Stderr, "\n") != 1 || res.Stdout != "" {
				t.Errorf("update %s: not one line: %q %q", args, res.Stdout, res.Stderr)
			}
		}
		c.Tare("update", "--cpu-burst", "60000", "--cpu-quota", "70000", c.ID).OK(t)
		c.Tare("update", "--cpu-quota", "50000", c.ID).
			Fails(t, "update "+c.ID+": --cpu-burst: must not be above the quota 50000, got 60000, together with what holds already\n")
		updateFrom(c, `{"cpu":{"quota":50000}}`).
			Fails(t, "--resources: standard input: /cpu/burst: must not be above the quota 50000, got 60000, together with what holds already\n")
		updateFrom(c, `{"memory":{"limit":5,"swap":4}}`).Fails(t, "--resources: standard input: /memory/swap: ")
		updateFrom(c, `{"pids":{"limit":"x"}}`).Fails(t, "--resources: standard input:1:18: pids.limit (/pids/limit): want a number")
	}
	updateFrom(c, ``).Fails(t)
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	updateFrom(c, `{}`).Fails(t, "container not running")
}
