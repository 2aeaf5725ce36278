package libcontainer

import (
	"errors"

	"tare/libcontainer/resctrl"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// planRdt finds out where in resctrl the container belongs. Without linux.intelRdt nobody looks whether there is one.
func (c *creation) planRdt() (err error) {
	if l := c.bundle.Spec.Linux; l != nil && l.IntelRdt != nil {
		c.rdt, err = resctrl.Plan(c.o.ID, l.IntelRdt)
	}
	return err
}

func (c *creation) rdtState() *resctrl.State {
	if c.rdt == nil {
		return nil
	}
	return c.rdt.State()
}

func (c *creation) makeRdt() error {
	if c.rdt == nil {
		return nil
	}
	return c.rdt.Create()
}

func (c *creation) removeRdt() error {
	if c.rdt == nil {
		return nil
	}
	return c.rdt.Undo()
}

func (c *creation) enterRdt() error {
	if c.rdt == nil {
		return nil
	}
	return c.rdt.Add(c.init.Pid)
}

// enterRdt puts a process where the others of the container are.
func (c *Container) enterRdt(pid int) error {
	if c.state.IntelRdt == nil {
		return nil
	}
	g, err := resctrl.Load(c.state.IntelRdt)
	if err != nil {
		return err
	}
	defer g.Close()
	return g.Add(pid)
}

var errNoRdt = errors.New("the container was made without linux.intelRdt (/linux/intelRdt): it has no class of service to change")

// updateRdt changes the values of the container's class, and then calls next, after whose failure they are what they were.
func (c *Container) updateRdt(rdt *specs.LinuxIntelRdt, next func() error) error {
	if rdt == nil {
		return next()
	}
	if c.state.IntelRdt == nil {
		return errNoRdt
	}
	g, err := resctrl.Load(c.state.IntelRdt)
	if err != nil {
		return err
	}
	defer g.Close()
	restore, err := g.SetSchemata(rdt)
	if err != nil {
		return err
	}
	if err := next(); err != nil {
		return also(err, restore())
	}
	return nil
}
