package libcontainer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"tare/internal/sys"
	"tare/libcontainer/netdev"
	"tare/libcontainer/state"
)

// network is the part of a creation that brings the host's devices into the container's network namespace.
type network struct {
	devices []netdev.Device
	ns      *os.File // the container's, from the move to the end: with it in hand they can be brought back
}

// findNetDevices looks at them while there is still nothing to undo.
func (c *creation) findNetDevices() (err error) {
	if l := c.bundle.Spec.Linux; l != nil {
		c.network.devices, err = netdev.Look(l.NetDevices)
	}
	return err
}

// moveNetDevices moves them. The namespace is pinned for the while: were this process killed it would end with the init process,
// and take virtual devices along.
func (c *creation) moveNetDevices() (err error) {
	n := &c.network
	if len(n.devices) == 0 {
		return nil
	}
	if n.ns, err = sys.NetworkNamespace(c.init.Pid); err != nil {
		return fmt.Errorf("the container's network namespace: %w", err)
	}
	if err := c.dir.PinNetwork(n.ns); err != nil {
		n.ns.Close()
		return fmt.Errorf("pin the container's network namespace: %w", err)
	}
	err = netdev.Move(n.devices, n.ns, func() error {
		st := *c.state
		st.Creating, st.NetDevices = true, n.devices
		return c.dir.Save(&st)
	})
	if err != nil {
		return also(err, c.returnNetDevices())
	}
	return nil
}

func (c *creation) returnNetDevices() error {
	n := &c.network
	if n.ns == nil {
		return nil
	}
	defer n.ns.Close()
	return errors.Join(netdev.Return(n.devices, n.ns), c.dir.UnpinNetwork())
}

func (c *creation) unpinNetwork() error {
	if c.network.ns == nil {
		return nil
	}
	return c.dir.UnpinNetwork()
}

// returnNetDevices brings back what a create that was killed has moved.
func returnNetDevices(dir *state.Dir, st *state.State) error {
	if !st.Creating || len(st.NetDevices) == 0 {
		return nil
	}
	ns, err := dir.PinnedNetwork()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it had not begun to
	}
	if err != nil {
		return fmt.Errorf("bring back network devices: %w", err)
	}
	defer ns.Close()
	return netdev.Return(st.NetDevices, ns)
}
