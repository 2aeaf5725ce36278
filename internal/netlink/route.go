package netlink

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// Route is a route: a struct rtmsg and its attributes, as the kernel tells them and takes them.
type Route []byte

// Routes lists the routes over a device that somebody has set: not those that the kernel, or a router, will set again.
func (c *Conn) Routes(link uint32) ([]Route, error) {
	var all []Route
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		body := make([]byte, unix.SizeofRtMsg)
		body[0] = family
		body = appendUint32(body, unix.RTA_OIF, link) // as with addresses: a router's tables are long
		dumped, err := c.dump(unix.RTM_GETROUTE, body)
		if err != nil {
			return nil, err
		}
		for _, m := range dumped {
			if r := Route(m.body); m.kind == unix.RTM_NEWROUTE && len(r) >= unix.SizeofRtMsg && r.isSet() && r.over(link) {
				all = append(all, r)
			}
		}
	}
	return all, nil
}

// isSet leaves out routes that come and go with an address or an advertisement, and cached ones.
func (r Route) isSet() bool {
	switch r[5] { // rtm_protocol
	case unix.RTPROT_KERNEL, unix.RTPROT_REDIRECT, unix.RTPROT_RA:
		return false
	}
	return binary.NativeEndian.Uint32(r[8:])&unix.RTM_F_CLONED == 0
}

func (r Route) over(link uint32) bool {
	all, _ := attributes(r[unix.SizeofRtMsg:])
	for _, a := range all {
		if a.Type == unix.RTA_OIF {
			return a.uint32() == link
		}
	}
	return false
}

// AddRoute sets a route again, over the device link. One that is there is no error.
func (c *Conn) AddRoute(link uint32, r Route) error {
	b := append([]byte(nil), r[:unix.SizeofRtMsg]...)
	binary.NativeEndian.PutUint32(b[8:], binary.NativeEndian.Uint32(b[8:])&unix.RTNH_F_ONLINK) // the others are what has become of it
	all, _ := attributes(r[unix.SizeofRtMsg:])
	for _, a := range all {
		switch a.Type {
		case unix.RTA_OIF:
			b = appendUint32(b, a.Type, link)
		case unix.RTA_CACHEINFO: // for reading only
		default:
			b = appendAttribute(b, a.Type, a.Data)
		}
	}
	// Appended: beside another one to the same place.
	err := c.change(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, b)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}
