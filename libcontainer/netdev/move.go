package netdev

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"tare/internal/netlink"
)

// Move brings the devices into the container's network namespace, where they get their names and addresses and are set up. When
// all are there, and before anything else, noted is called: where they are has changed in devices. After an error the caller
// has Return bring back what was moved.
func Move(devices []Device, ns *os.File, noted func() error) error {
	host, inside, err := connect(ns)
	if err != nil {
		return err
	}
	defer host.Close()
	defer inside.Close()
	for i := range devices {
		if err := devices[i].checkTarget(inside); err != nil {
			return fieldError(devices[i].Key, err)
		}
	}
	for i := range devices {
		if err := devices[i].move(host, inside, ns); err != nil {
			return fieldError(devices[i].Key, err)
		}
	}
	if err := noted(); err != nil {
		return err
	}
	for i := range devices {
		if err := devices[i].settle(inside); err != nil {
			return fieldError(devices[i].Key, err)
		}
	}
	return nil
}

// connect speaks with the kernel of the runtime's network namespace, and of the container's.
func connect(ns *os.File) (host, inside *netlink.Conn, err error) {
	if host, err = netlink.Open(); err != nil {
		return nil, nil, err
	}
	if inside, err = netlink.OpenIn(ns); err != nil {
		host.Close()
		return nil, nil, err
	}
	return host, inside, nil
}

// checkTarget refuses before anything is moved what the kernel would refuse afterwards.
func (d *Device) checkTarget(inside *netlink.Conn) error {
	if d.isTemplate() {
		return nil
	}
	switch _, err := inside.LinkByName(d.Target); {
	case err == nil:
		return fmt.Errorf("the container's network namespace has a device called %s already: %w", d.Target, unix.EEXIST)
	case errors.Is(err, unix.ENODEV):
		return nil
	default:
		return err
	}
}

// move moves the device under a name that it has there for sure: under its own, or the new one, another device may be there, and
// the kernel renames only after it has moved.
func (d *Device) move(host, inside *netlink.Conn, ns *os.File) error {
	if err := host.Move(d.Index, ns, d.Way, 0); err != nil {
		return fmt.Errorf("move it into the container's network namespace: %w%s", err, moveHint(err))
	}
	link, err := inside.LinkByName(d.Way)
	if err != nil {
		return fmt.Errorf("find it in the container's network namespace: %w", err)
	}
	d.Inside = link.Index
	return nil
}

func moveHint(err error) string {
	switch {
	case errors.Is(err, unix.EINVAL):
		return ": the kernel keeps devices of some kinds where they are, such as lo, bridges, tunnels' fallback devices and wireless ones"
	case errors.Is(err, unix.EEXIST):
		return ": one of its alternative names is taken there"
	case errors.Is(err, unix.EPERM):
		return ": it takes CAP_NET_ADMIN in both network namespaces"
	}
	return ""
}

// settle makes of the device in the container what the config wants: name, up, addresses.
func (d *Device) settle(inside *netlink.Conn) error {
	if err := inside.Rename(d.Inside, d.Target); err != nil {
		return fmt.Errorf("call it %s: %w", d.Target, err)
	}
	link, err := inside.LinkByIndex(d.Inside) // by which name, only the kernel knows
	if err != nil {
		return err
	}
	keep, err := d.addresses(func(a netlink.Address) bool { return a.Permanent() && a.Global() })
	if err != nil {
		return err
	}
	// Before the addresses: the kernel sets some routes of IPv6 only while the device is up, and not always afterwards.
	if err := inside.SetUp(link.Index); err != nil {
		return fmt.Errorf("set it up: %w", err)
	}
	for _, a := range keep {
		if err := inside.AddAddress(link, a, d.Name); err != nil {
			return fmt.Errorf("give it the address %s: %w%s", a, err, addressHint(err))
		}
	}
	return nil
}

func addressHint(err error) string {
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EAFNOSUPPORT) {
		return ": is IPv6 switched off in the container's network namespace?"
	}
	return ""
}
