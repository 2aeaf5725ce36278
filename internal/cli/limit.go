package cli

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// limitOption is an option of update that sets one limit.
type limitOption struct {
	name, usage string
	pointer     string // of what it sets, as a JSON pointer into linux.resources
	set         func(res *specs.LinuxResources, value string) error
	value       string // as given; empty: it is not
}

// limitOptions are all of them, in the order of the help page.
func limitOptions() []*limitOption {
	return []*limitOption{
		{
			name: "memory", usage: "limit memory to `SIZE`; -1 lifts the limit, and that of swap", pointer: "/memory/limit",
			set: setMemory(func(m *specs.LinuxMemory) **int64 { return &m.Limit }),
		},
		{
			name: "memory-swap", usage: "limit memory and swap together to `SIZE`; -1: no limit", pointer: "/memory/swap",
			set: setMemory(func(m *specs.LinuxMemory) **int64 { return &m.Swap }),
		},
		{
			name: "memory-reservation", usage: "let `SIZE` of memory be reclaimed last", pointer: "/memory/reservation",
			set: setMemory(func(m *specs.LinuxMemory) **int64 { return &m.Reservation }),
		},
		{
			name: "cpu-quota", usage: "let it have the CPUs for `USECS` in each period; -1: no limit", pointer: "/cpu/quota",
			set: setCPU(func(c *specs.LinuxCPU) **int64 { return &c.Quota }),
		},
		{
			name: "cpu-period", usage: "make the period `USECS` long", pointer: "/cpu/period",
			set: setCPU(func(c *specs.LinuxCPU) **uint64 { return &c.Period }),
		},
		{
			name: "cpu-burst", usage: "let it save up `USECS` of quota that it did not use", pointer: "/cpu/burst",
			set: setCPU(func(c *specs.LinuxCPU) **uint64 { return &c.Burst }),
		},
		{
			name: "cpu-share", usage: "make `N` its share when CPUs are scarce; 1024 is the usual one", pointer: "/cpu/shares",
			set: setCPU(func(c *specs.LinuxCPU) **uint64 { return &c.Shares }),
		},
		{
			name: "cpu-idle", usage: "if `N` is 1, run only when nobody else wants to; 0: as usual", pointer: "/cpu/idle",
			set: setCPU(func(c *specs.LinuxCPU) **int64 { return &c.Idle }),
		},
		{
			name: "cpu-rt-period", usage: "make the period of real-time tasks `USECS` long (cgroup v1)", pointer: "/cpu/realtimePeriod",
			set: setCPU(func(c *specs.LinuxCPU) **uint64 { return &c.RealtimePeriod }),
		},
		{
			name: "cpu-rt-runtime", usage: "let real-time tasks run `USECS` in each of theirs (cgroup v1)", pointer: "/cpu/realtimeRuntime",
			set: setCPU(func(c *specs.LinuxCPU) **int64 { return &c.RealtimeRuntime }),
		},
		{
			name: "cpuset-cpus", usage: "run on the CPUs of `LIST`, such as 0-3,7", pointer: "/cpu/cpus",
			set: func(res *specs.LinuxResources, value string) error { cpuOf(res).Cpus = value; return nil },
		},
		{
			name: "cpuset-mems", usage: "take memory from the nodes of `LIST`", pointer: "/cpu/mems",
			set: func(res *specs.LinuxResources, value string) error { cpuOf(res).Mems = value; return nil },
		},
		{
			name: "pids-limit", usage: "limit processes and threads to `N`; -1: no limit", pointer: "/pids/limit",
			set: setPids,
		},
		{
			name: "blkio-weight", usage: "make `N`, 10 to 1000, its share when disks are busy", pointer: "/blockIO/weight",
			set: setBlockIOWeight,
		},
	}
}

func setMemory(field func(*specs.LinuxMemory) **int64) func(*specs.LinuxResources, string) error {
	return func(res *specs.LinuxResources, value string) error {
		size, err := parseSize(value)
		if err != nil {
			return err
		}
		if res.Memory == nil {
			res.Memory = &specs.LinuxMemory{}
		}
		*field(res.Memory) = &size
		return nil
	}
}

func setCPU[T integer](field func(*specs.LinuxCPU) **T) func(*specs.LinuxResources, string) error {
	return func(res *specs.LinuxResources, value string) error {
		n, err := parseInteger[T](value)
		if err != nil {
			return err
		}
		*field(cpuOf(res)) = &n
		return nil
	}
}

func cpuOf(res *specs.LinuxResources) *specs.LinuxCPU {
	if res.CPU == nil {
		res.CPU = &specs.LinuxCPU{}
	}
	return res.CPU
}

func setPids(res *specs.LinuxResources, value string) error {
	n, err := parseInteger[int64](value)
	if err != nil {
		return err
	}
	res.Pids = &specs.LinuxPids{Limit: &n}
	return nil
}

func setBlockIOWeight(res *specs.LinuxResources, value string) error {
	n, err := parseInteger[uint16](value)
	if errors.Is(err, errRange) {
		return errors.New("must be from 10 to 1000") // as those are told that fit into the field
	}
	if err != nil {
		return err
	}
	res.BlockIO = &specs.LinuxBlockIO{Weight: &n}
	return nil
}

type integer interface{ int | int64 | uint64 | uint16 }

var errRange = errors.New("is out of range")

// outOfRange names the numbers that parseInteger has a place for.
func outOfRange[T integer]() error {
	least, most := int64(0), int64(math.MaxInt64)
	for int64(T(most)) != most {
		most >>= 1
	}
	if T(0)-1 < 0 {
		least = -most - 1
	}
	return fmt.Errorf("%w: want a whole number from %d to %d", errRange, least, most)
}

// parseInteger reads a decimal number: 010 is ten.
func parseInteger[T integer](s string) (T, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, outOfRange[T]()
	case err != nil:
		return 0, errors.New("want a whole number")
	case n < 0 && T(0)-1 > 0:
		return 0, errors.New("must not be negative")
	case int64(T(n)) != n:
		return 0, outOfRange[T]()
	}
	return T(n), nil
}
