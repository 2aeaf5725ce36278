package netlink

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// Link is a network device in its namespace.
type Link struct {
	Index  uint32
	Name   string
	Up     bool
	Master uint32 // index of the bridge or bond that it is part of; 0 for none
	// AddrGenMode is how it comes to its link-local address (IFLA_INET6_ADDR_GEN_MODE); -1 for a device without IPv6.
	AddrGenMode int
}

// LinkByName looks for a device. There is none: unix.ENODEV.
func (c *Conn) LinkByName(name string) (*Link, error) {
	return c.link(appendName(linkHeader(0, 0, 0), unix.IFLA_IFNAME, name))
}

// LinkByIndex is LinkByName for an index.
func (c *Conn) LinkByIndex(index uint32) (*Link, error) { return c.link(linkHeader(index, 0, 0)) }

func (c *Conn) link(body []byte) (*Link, error) {
	all, err := c.ask(unix.RTM_GETLINK, 0, body)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 || all[0].kind != unix.RTM_NEWLINK {
		return nil, errShort
	}
	return parseLink(all[0].body)
}

// linkHeader is a struct ifinfomsg; rtnetlink(7).
func linkHeader(index, flags, change uint32) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b[4:], index)
	binary.NativeEndian.PutUint32(b[8:], flags)
	binary.NativeEndian.PutUint32(b[12:], change)
	return b
}

func parseLink(b []byte) (*Link, error) {
	if len(b) < unix.SizeofIfInfomsg {
		return nil, errShort
	}
	l := &Link{Index: binary.NativeEndian.Uint32(b[4:]), Up: binary.NativeEndian.Uint32(b[8:])&unix.IFF_UP != 0, AddrGenMode: -1}
	all, err := attributes(b[unix.SizeofIfInfomsg:])
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		switch a.Type {
		case unix.IFLA_IFNAME:
			l.Name = a.text()
		case unix.IFLA_MASTER:
			l.Master = a.uint32()
		case unix.IFLA_AF_SPEC:
			l.AddrGenMode = addrGenMode(a.Data)
		}
	}
	return l, nil
}

// addrGenMode finds the mode in what the address families say of a link: AF_INET6 → IFLA_INET6_ADDR_GEN_MODE.
func addrGenMode(b []byte) int {
	families, _ := attributes(b)
	for _, family := range families {
		if family.Type != unix.AF_INET6 {
			continue
		}
		all, _ := attributes(family.Data)
		for _, a := range all {
			if a.Type == unix.IFLA_INET6_ADDR_GEN_MODE && len(a.Data) > 0 {
				return int(a.Data[0])
			}
		}
	}
	return -1
}

// Move puts a device into the network namespace of the descriptor under a name that must be free there; with index, which
// Linux 5.13 and younger take, under that one if it is free.
func (c *Conn) Move(link uint32, ns *os.File, name string, index uint32) error {
	b := appendUint32(linkHeader(link, 0, 0), unix.IFLA_NET_NS_FD, uint32(ns.Fd()))
	b = appendName(b, unix.IFLA_IFNAME, name)
	if index != 0 {
		b = appendUint32(b, unix.IFLA_NEW_IFINDEX, index)
	}
	return c.change(unix.RTM_SETLINK, 0, b)
}

// Rename gives a device that is down another name. Instead of a %d in it the kernel puts the first number that is free.
func (c *Conn) Rename(link uint32, name string) error {
	return c.change(unix.RTM_SETLINK, 0, appendName(linkHeader(link, 0, 0), unix.IFLA_IFNAME, name))
}

// SetUp sets a device up.
func (c *Conn) SetUp(link uint32) error {
	return c.change(unix.RTM_SETLINK, 0, linkHeader(link, unix.IFF_UP, unix.IFF_UP))
}

// SetMaster makes a device part of a bridge or bond.
func (c *Conn) SetMaster(link, master uint32) error {
	return c.change(unix.RTM_SETLINK, 0, appendUint32(linkHeader(link, 0, 0), unix.IFLA_MASTER, master))
}

// SetAddrGenMode says how a device comes to its link-local address.
func (c *Conn) SetAddrGenMode(link uint32, mode int) error {
	b := appendAttribute(nil, unix.IFLA_INET6_ADDR_GEN_MODE, []byte{byte(mode)})
	b = appendAttribute(nil, unix.AF_INET6, b)
	return c.change(unix.RTM_SETLINK, 0, appendAttribute(linkHeader(link, 0, 0), unix.IFLA_AF_SPEC, b))
}
