package netlink

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Address is an address of a device: a struct ifaddrmsg and its attributes, as the kernel tells them and takes them.
type Address []byte

// Addresses lists the addresses of a device, of every family, in the kernel's order, in which the first of a subnet is its
// primary one.
func (c *Conn) Addresses(link uint32) ([]Address, error) {
	body := make([]byte, unix.SizeofIfAddrmsg)
	binary.NativeEndian.PutUint32(body[4:], link) // before Linux 4.20 the kernel tells of all devices
	dumped, err := c.dump(unix.RTM_GETADDR, body)
	if err != nil {
		return nil, err
	}
	var all []Address
	for _, m := range dumped {
		a := Address(m.body)
		if m.kind == unix.RTM_NEWADDR && len(a) >= unix.SizeofIfAddrmsg && binary.NativeEndian.Uint32(a[4:]) == link && a.isIP() {
			all = append(all, a)
		}
	}
	return all, nil
}

// isIP leaves out what has no addresses to set (AF_PHONET's and AF_MCTP's are not the device's alone).
func (a Address) isIP() bool { return a[0] == unix.AF_INET || a[0] == unix.AF_INET6 }

// flags are those of the attribute, which has more of them than the header.
func (a Address) flags() uint32 {
	all, _ := attributes(a[unix.SizeofIfAddrmsg:])
	for _, attr := range all {
		if attr.Type == unix.IFA_FLAGS {
			return attr.uint32()
		}
	}
	return uint32(a[2])
}

// Permanent tells whether an address has no end.
func (a Address) Permanent() bool { return a.flags()&unix.IFA_F_PERMANENT != 0 }

// Global tells whether an address means the same everywhere.
func (a Address) Global() bool { return a[3] == unix.RT_SCOPE_UNIVERSE }

// Temporary tells whether the kernel has made an address of IPv6 for privacy, and will make others.
func (a Address) Temporary() bool {
	return a[0] == unix.AF_INET6 && a.flags()&unix.IFA_F_TEMPORARY != 0
}

// settable are the flags that are somebody's wish. The others are what has become of the address.
const settable = unix.IFA_F_NODAD | unix.IFA_F_OPTIMISTIC | unix.IFA_F_HOMEADDRESS | unix.IFA_F_MANAGETEMPADDR |
	unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MCAUTOJOIN

// AddAddress gives a device an address that it, or another, had under the name was. One that it has is no error.
func (c *Conn) AddAddress(link *Link, a Address, was string) error {
	return c.change(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, a.request(link, was))
}

// request is a with what is link's own: the index, and the label of IPv4, which begins with the name.
func (a Address) request(link *Link, was string) []byte {
	b := append([]byte(nil), a[:unix.SizeofIfAddrmsg]...)
	b[2] &= byte(settable & 0xff)
	binary.NativeEndian.PutUint32(b[4:], link.Index)
	all, _ := attributes(a[unix.SizeofIfAddrmsg:])
	for _, attr := range all {
		switch attr.Type {
		case unix.IFA_ADDRESS, unix.IFA_LOCAL, unix.IFA_BROADCAST, unix.IFA_RT_PRIORITY, ifaProto:
			b = appendAttribute(b, attr.Type, attr.Data)
		case unix.IFA_CACHEINFO:
			b = appendAttribute(b, attr.Type, a.lifetimes(attr.Data))
		case unix.IFA_FLAGS:
			b = appendUint32(b, attr.Type, attr.uint32()&settable)
		case unix.IFA_LABEL:
			b = appendName(b, attr.Type, label(attr.text(), was, link.Name))
		}
	}
	return b
}

// lifetimes are a struct ifa_cacheinfo, the preferred one first. Of an address of IPv4 without an end the kernel says that it is
// preferred for ever, even if by its flags it is not any more (inet_fill_ifaddr).
func (a Address) lifetimes(info []byte) []byte {
	if a.flags()&unix.IFA_F_DEPRECATED == 0 || len(info) < 4 {
		return info
	}
	return append(make([]byte, 4), info[4:]...)
}

// ifaProto is IFA_PROTO, where an address comes from; Linux 5.18.
const ifaProto = 11

// label renames a label as the kernel does with its device (inetdev_changename).
func label(label, was, now string) string {
	rest, ok := strings.CutPrefix(label, was)
	if !ok || rest != "" && rest[0] != ':' || len(now)+len(rest) >= unix.IFNAMSIZ {
		return label
	}
	return now + rest
}

// String is the address as people write it, without shortening.
func (a Address) String() string {
	all, _ := attributes(a[unix.SizeofIfAddrmsg:])
	var ip []byte
	for _, attr := range all {
		if attr.Type == unix.IFA_LOCAL || attr.Type == unix.IFA_ADDRESS && ip == nil {
			ip = attr.Data
		}
	}
	var b strings.Builder
	if len(ip) == 16 {
		for i := 0; i < len(ip); i += 2 {
			fmt.Fprintf(&b, ":%x", binary.BigEndian.Uint16(ip[i:]))
		}
	} else {
		for _, n := range ip {
			fmt.Fprintf(&b, ".%d", n)
		}
	}
	return fmt.Sprintf("%s/%d", b.String()[min(1, b.Len()):], a[1])
}
