package systemd

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"tare/internal/dbus"
)

// ErrActive says that there is a unit of the name, and that it is in use.
var ErrActive = errors.New("there is a unit of this name already")

// Start starts the unit with these properties, and waits until it is there. What a unit of that name has left of itself when
// it failed is cleared away.
func (c *Client) Start(u Unit, properties []Property) error {
	err := c.start(u, properties)
	if dbus.IsError(err, errUnitExists) {
		if err = c.clear(u); err == nil {
			err = c.start(u, properties)
		}
	}
	if err != nil {
		return fmt.Errorf("start unit %s: %w", u.Name, explain(err))
	}
	return nil
}

func (c *Client) start(u Unit, properties []Property) error {
	return known(properties, func(properties []Property) error {
		return c.job(u, "start", func() ([]any, error) {
			// replace: an earlier job of the unit, such as its stop, gives way. The last argument is for units beside it.
			return c.call(jobTimeout, "StartTransientUnit", "ssa(sv)a(sa(sv))", u.Name, "replace", values(properties), []any{})
		})
	})
}

// known does f with all properties, or without the young ones if systemd does not know them yet.
func known(properties []Property, f func([]Property) error) error {
	err := f(properties)
	if !dbus.IsError(err, errNoProperty) && !dbus.IsError(err, errBadValue) {
		return err
	}
	old := slices.DeleteFunc(slices.Clone(properties), func(p Property) bool { return p.Young })
	if len(old) == len(properties) {
		return err
	}
	return f(old)
}

func values(properties []Property) []any {
	all := make([]any, 0, len(properties))
	for _, p := range properties {
		all = append(all, []any{p.Name, p.Value})
	}
	return all
}

// clear makes room for a unit where one of its name has ended and is still known.
func (c *Client) clear(u Unit) error {
	state, err := c.activeState(u)
	switch {
	case err != nil:
		return err
	case state == "active" || state == "activating" || state == "reloading":
		return fmt.Errorf("%w: it is %s", ErrActive, state)
	case state == "deactivating":
		return c.stop(u)
	}
	return c.reset(u)
}

// activeState is the unit's ActiveState, "" if there is no such unit.
func (c *Client) activeState(u Unit) (string, error) {
	answer, err := c.manager("GetUnit", "s", u.Name)
	if dbus.IsError(err, errNoSuchUnit) {
		return "", nil
	}
	path, _ := first(answer).(string)
	if err != nil || path == "" {
		return "", err
	}
	v, err := c.get(path, unitIface, "ActiveState")
	state, _ := v.(string)
	return state, err
}

// Stop stops the unit and waits until it is gone. One that is not there is no error. Whoever is in it is ended by systemd in
// its own time, so it is to be empty.
func (c *Client) Stop(u Unit) error {
	err := c.stop(u)
	if err == nil {
		err = c.reset(u)
	}
	if err != nil {
		return fmt.Errorf("stop unit %s: %w", u.Name, explain(err))
	}
	return nil
}

func (c *Client) stop(u Unit) error {
	err := c.job(u, "stop", func() ([]any, error) { return c.call(jobTimeout, "StopUnit", "ss", u.Name, "replace") })
	if dbus.IsError(err, errNoSuchUnit) {
		return nil
	}
	return err
}

// reset has systemd forget that the unit failed, and so the unit.
func (c *Client) reset(u Unit) error {
	_, err := c.manager("ResetFailedUnit", "s", u.Name)
	if dbus.IsError(err, errNoSuchUnit) {
		return nil
	}
	return err
}

// job has a job made, and waits for its end.
//
// systemd tells the end of a job to whoever asked for it, without Subscribe, which would have it tell every change of every
// unit to the bus for as long as we are there.
func (c *Client) job(u Unit, what string, begin func() ([]any, error)) error {
	err := c.conn.Listen(dbus.Match{
		Sender: busName, Path: managerPath, Interface: managerIface, Member: "JobRemoved", Arg: 2, Value: u.Name,
	}, callTimeout)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(jobTimeout)
	answer, err := begin()
	if err != nil {
		return err
	}
	// Its arguments: number, object, unit, result.
	removed, err := c.conn.AwaitSignal(time.Until(deadline).Round(time.Second), func(args []any) bool { return len(args) == 4 && args[1] == first(answer) })
	if err != nil {
		return err
	}
	if result, _ := removed[3].(string); result != "done" {
		return fmt.Errorf("the %s job ended as %q: the journal may know more (journalctl -u %s)", what, result, u.Name)
	}
	return nil
}

// Set changes properties of the unit, until it ends.
func (c *Client) Set(u Unit, properties []Property) error {
	if len(properties) == 0 {
		return nil
	}
	err := known(sorted(properties), func(properties []Property) error {
		_, err := c.manager("SetUnitProperties", "sba(sv)", u.Name, true, values(properties))
		return err
	})
	if err != nil {
		return fmt.Errorf("change properties of unit %s: %w", u.Name, explain(err))
	}
	return nil
}

// Attach has systemd move a process into the unit's cgroup: an ordinary user may not move one that is not in a cgroup of
// the user's, such as that of a login.
func (c *Client) Attach(u Unit, pid int) error {
	_, err := c.manager("AttachProcessesToUnit", "ssau", u.Name, "/", []uint32{uint32(pid)})
	if err != nil {
		return fmt.Errorf("move process %d into unit %s: %w", pid, u.Name, explain(err))
	}
	return nil
}
