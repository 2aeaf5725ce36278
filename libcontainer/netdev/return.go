package netdev

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"tare/internal/netlink"
	"tare/internal/sys"
)

// Return brings the devices back from the network namespace that Move, finished or not, has brought them to, and makes them what
// they were: name, index, addresses, routes, up or down. One that was not moved is left as it is. All are tried; the error tells
// of those that are not as they were.
func Return(devices []Device, ns *os.File) error {
	if len(devices) == 0 {
		return nil
	}
	home, err := sys.NetworkNamespace(0)
	if err != nil {
		return err
	}
	defer home.Close()
	host, inside, err := connect(ns)
	if err != nil {
		return err
	}
	defer host.Close()
	defer inside.Close()
	var all []error
	for i := range devices {
		if err := devices[i].comeBack(host, inside, home); err != nil {
			all = append(all, fmt.Errorf("bring the network device %s back: %w", devices[i].Name, err))
		}
	}
	return errors.Join(all...)
}

// comeBack brings one device back, under a name that is free for sure, as in move.
func (d *Device) comeBack(host, inside *netlink.Conn, home *os.File) error {
	link, err := d.find(inside)
	if errors.Is(err, unix.ENODEV) {
		return d.finish(host)
	}
	if err != nil {
		return err
	}
	index := d.Index
	if link.Index == index {
		index = 0 // which it keeps, if nobody has it
	}
	err = inside.Move(link.Index, home, d.Way, index)
	if errors.Is(err, unix.EBUSY) && index != 0 {
		err = inside.Move(link.Index, home, d.Way, 0)
	}
	if err != nil {
		return err
	}
	if link, err = host.LinkByName(d.Way); err != nil {
		return err
	}
	return d.restore(host, link)
}

// finish is for a device that is not in the container's network namespace: it was not moved, or it is gone, and nobody can bring it
// back; or who brought it back was killed half-way.
func (d *Device) finish(host *netlink.Conn) error {
	link, err := host.LinkByName(d.Way)
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.restore(host, link)
}

// find looks for the device in the container's network namespace.
func (d *Device) find(inside *netlink.Conn) (*netlink.Link, error) {
	if d.Inside != 0 {
		return inside.LinkByIndex(d.Inside)
	}
	return inside.LinkByName(d.Way)
}

// restore makes of a device that is back what it was. It goes on after an error: most of it is better than nothing.
func (d *Device) restore(host *netlink.Conn, link *netlink.Link) error {
	if err := host.Rename(link.Index, d.Name); err != nil {
		return fmt.Errorf("it is back as %s: call it %s: %w", d.Way, d.Name, err)
	}
	link.Name = d.Name
	var all []error
	try := func(what string, err error) {
		if err != nil {
			all = append(all, fmt.Errorf("%s: %w", what, err))
		}
	}
	if d.AddrGenMode >= 0 && d.AddrGenMode != link.AddrGenMode {
		try("set its way to link-local addresses", host.SetAddrGenMode(link.Index, d.AddrGenMode))
	}
	if d.Master != 0 {
		try("make it a port again", host.SetMaster(link.Index, d.Master))
	}
	if d.Up {
		try("set it up", host.SetUp(link.Index)) // first, as in settle
	}
	addresses, err := d.addresses(func(a netlink.Address) bool { return !a.Temporary() })
	try("its addresses", err)
	for _, a := range addresses {
		try("give it the address "+a.String(), host.AddAddress(link, a, d.Name))
	}
	if d.Up {
		try("the routes over it", d.restoreRoutes(host, link.Index))
	}
	return errors.Join(all...)
}

// restoreRoutes sets the routes again. One by a gateway needs the one to the gateway, wherever in the list that is.
func (d *Device) restoreRoutes(host *netlink.Conn, link uint32) error {
	left, err := d.routes()
	for len(left) > 0 {
		var failed []netlink.Route
		for _, r := range left {
			if e := host.AddRoute(link, r); e != nil {
				err = e
				failed = append(failed, r)
			}
		}
		if len(failed) == len(left) {
			return err
		}
		left, err = failed, nil
	}
	return err
}
