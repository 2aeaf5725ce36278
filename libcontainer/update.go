package libcontainer

import (
	"fmt"

	"tare/internal/document"
	"tare/libcontainer/bundle"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// UpdateOptions are those of an update.
type UpdateOptions struct {
	Warn func(text string) // gets what is left out; nil drops it
	// IntelRdt has new values for the container's class of service; nil leaves them alone.
	IntelRdt *specs.LinuxIntelRdt
}

// Update changes the limits that res has, and leaves the others as they are. A number that is 0 where 0 is no limit changes
// nothing. A paused container stays so. On failure the old limits hold; mistakes in res are bundle.Problems.
func (c *Container) Update(res *specs.LinuxResources, o UpdateOptions) error {
	status, err := c.lockedStatus()
	if err != nil {
		return err
	}
	if status == specs.StateStopped || status == specs.StateCreating {
		return fmt.Errorf("%w: it is %s", ErrNotRunning, status)
	}
	held, err := c.resources()
	if err != nil {
		return err
	}
	res = withoutKernelMemory(res, o.Warn)
	if err := check(res, held); err != nil {
		return err
	}
	res = complete(res, held)
	merge(held, res)
	if err := fits(held); err != nil {
		return err
	}
	cg, err := c.cgroup()
	if err != nil {
		return err
	}
	defer cg.Close()
	if err := c.updateRdt(o.IntelRdt, func() error { return cg.Update(res) }); err != nil {
		return err
	}
	c.state.Resources = held
	if err := c.dir.Save(c.state); err != nil {
		return fmt.Errorf("the new limits hold, but could not be written down for the next update: %w", err)
	}
	return nil
}

// resources gives the limits that hold: those of the last update, or of config.json. They are the caller's to change.
func (c *Container) resources() (*specs.LinuxResources, error) {
	if c.state.Resources != nil {
		return c.state.Resources, nil
	}
	raw, err := c.dir.LoadConfig()
	if err != nil {
		return nil, err
	}
	var config struct {
		Version string `json:"ociVersion"`
		Linux   struct {
			Resources specs.LinuxResources `json:"resources"`
		} `json:"linux"`
	}
	if err := document.Decode(raw, &config); err != nil {
		return nil, fmt.Errorf("the container's saved config: %w", err)
	}
	bundle.TranslateResources(config.Version, &config.Linux.Resources)
	return &config.Linux.Resources, nil
}

// withoutKernelMemory drops limits that no kernel has any more: old callers send them along.
func withoutKernelMemory(res *specs.LinuxResources, warn func(string)) *specs.LinuxResources {
	m := res.Memory
	//lint:ignore SA1019 it is read to be dropped
	if m == nil || m.Kernel == nil && m.KernelTCP == nil {
		return res
	}
	out, memory := *res, *m
	//lint:ignore SA1019 as above
	memory.Kernel, memory.KernelTCP = nil, nil
	out.Memory = &memory
	if warn != nil {
		warn("limits on kernel memory are ignored")
	}
	return &out
}

// check finds the mistakes in res by itself. A limit of memory and swap together is one to the limit of memory that holds.
func check(res, held *specs.LinuxResources) error {
	alone := *res
	if m := res.Memory; m != nil && held.Memory != nil && !isSet(m.Limit) {
		memory := *m
		memory.Limit = held.Memory.Limit
		alone.Memory = &memory
	}
	return bundle.ValidateResources(&alone).Err()
}

// fits finds what is right by itself and does not go together with what holds.
func fits(merged *specs.LinuxResources) error {
	mistakes := bundle.ValidateResources(merged)
	for i := range mistakes {
		mistakes[i].Message += ", together with what holds already"
	}
	return mistakes.Err()
}

// complete adds to res what goes without saying.
func complete(res, held *specs.LinuxResources) *specs.LinuxResources {
	out := *res
	if res.Memory != nil {
		memory := *res.Memory
		if isSet(memory.Limit) && *memory.Limit == -1 && !isSet(memory.Swap) {
			memory.Swap = memory.Limit
		}
		if memory.CheckBeforeUpdate == nil && held.Memory != nil {
			memory.CheckBeforeUpdate = held.Memory.CheckBeforeUpdate
		}
		out.Memory = &memory
	}
	if res.CPU != nil && held.CPU != nil && !isSet(res.CPU.Shares) && endsIdle(res.CPU, held.CPU) {
		cpu := *res.CPU
		cpu.Shares = held.CPU.Shares // the kernel has forgotten it (sched_group_set_idle)
		out.CPU = &cpu
	}
	return &out
}

func endsIdle(res, held *specs.LinuxCPU) bool {
	return res.Idle != nil && *res.Idle == 0 && isSet(held.Idle)
}

func isSet[T comparable](v *T) bool { return v != nil && *v != *new(T) }
