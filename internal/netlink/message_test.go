package netlink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLabel(t *testing.T) {
	for _, tt := range [][4]string{
		{"eth0", "eth0", "lan0", "lan0"},
		{"eth0:x", "eth0", "lan0", "lan0:x"},
		{"eth0:x", "eth0", "fourteen-bytes", "eth0:x"},         // would not fit
		{"eth0:x", "eth0", "thirteen-byte", "thirteen-byte:x"}, // 15 bytes
		{"eth01", "eth0", "lan0", "eth01"},
		{"other", "eth0", "lan0", "other"},
	} {
		if got := label(tt[0], tt[1], tt[2]); got != tt[3] {
			t.Errorf("label %q of %q called %q: %q, want %q", tt[0], tt[1], tt[2], got, tt[3])
		}
	}
}

func TestAttributes(t *testing.T) {
	b := appendName(nil, 3, "eth0")
	b = appendUint32(b, 4|unix.NLA_F_NESTED, 7)
	all, err := attributes(b)
	if err != nil || len(all) != 2 || all[0].text() != "eth0" || all[1].Type != 4 || all[1].uint32() != 7 {
		t.Errorf("%v, %v", all, err)
	}
	for _, bad := range [][]byte{{3, 0, 1, 0}, {9, 0, 1, 0, 1, 2}, {0, 0, 0, 0}} {
		if all, err := attributes(bad); !errors.Is(err, errShort) {
			t.Errorf("%v: %v, %v", bad, all, err)
		}
	}
	if all, err := attributes([]byte{5, 0, 1, 0, 9}); err != nil || !bytes.Equal(all[0].Data, []byte{9}) { // the padding of the last may lack
		t.Errorf("%v, %v", all, err)
	}
}

// A datagram may hold answers to a question before, which was given up.
func TestSplit(t *testing.T) {
	b := append(encode(1, 0, 5, []byte("old!")), encode(2, 0, 6, []byte("new!"))...)
	all, err := split(b, 6)
	if err != nil || len(all) != 1 || all[0].kind != 2 || string(all[0].body) != "new!" {
		t.Errorf("%v, %v", all, err)
	}
	for _, size := range []uint32{0, 15, 21, 1 << 31} {
		binary.NativeEndian.PutUint32(b, size)
		if _, err := split(b[:20], 6); !errors.Is(err, errShort) {
			t.Errorf("a message of %d bytes in 20: %v", size, err)
		}
	}
}

func TestFinal(t *testing.T) {
	number := func(n int32) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(n)) }
	for name, tt := range map[string]struct {
		m     message
		flags uint16
		last  bool
		err   error
	}{
		"part":         {message{kind: unix.RTM_NEWLINK}, unix.NLM_F_DUMP, false, nil},
		"acknowledged": {message{kind: unix.NLMSG_ERROR, body: number(0)}, unix.NLM_F_ACK, true, nil},
		"refused":      {message{kind: unix.NLMSG_ERROR, body: number(-int32(unix.EPERM))}, unix.NLM_F_ACK, true, unix.EPERM},
		"end":          {message{kind: unix.NLMSG_DONE, body: number(0)}, unix.NLM_F_DUMP, true, nil},
		"failed end":   {message{kind: unix.NLMSG_DONE, body: number(-int32(unix.ENOMEM))}, unix.NLM_F_DUMP, true, unix.ENOMEM},
		"changed":      {message{kind: unix.RTM_NEWADDR, flags: unix.NLM_F_DUMP_INTR}, unix.NLM_F_DUMP, true, errInterrupted},
		"short":        {message{kind: unix.NLMSG_ERROR, body: []byte{1}}, 0, true, errShort},
	} {
		if last, err := final(tt.m, tt.flags); last != tt.last || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("%s: %v, %v", name, last, err)
		}
	}
}

// What the kernel says beside the number.
func TestWords(t *testing.T) {
	body := binary.NativeEndian.AppendUint32(nil, uint32(1<<32-int64(unix.EINVAL)))
	body = append(body, make([]byte, headerSize)...)
	m := message{kind: unix.NLMSG_ERROR, flags: unix.NLM_F_ACK_TLVS | unix.NLM_F_CAPPED, body: appendName(body, unix.NLMSGERR_ATTR_MSG, "no way")}
	if _, err := final(m, unix.NLM_F_ACK); err == nil || err.Error() != "invalid argument (no way)" {
		t.Errorf("%v", err)
	}
	m.flags = 0
	if _, err := final(m, unix.NLM_F_ACK); err == nil || err.Error() != "invalid argument" {
		t.Errorf("%v", err)
	}
}

// The answers of the kernel itself, about a device that every namespace has.
func TestLoopback(t *testing.T) {
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	link, err := c.LinkByName("lo")
	if err != nil || link.Name != "lo" || link.Index == 0 {
		t.Fatalf("%+v, %v", link, err)
	}
	again, err := c.LinkByIndex(link.Index)
	if err != nil || *again != *link {
		t.Errorf("%+v, %v, want %+v", again, err, link)
	}
	if _, err := c.LinkByName("no-such-device"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("error %v, want ENODEV", err)
	}
	addresses, err := c.Addresses(link.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if s := a.String(); s != "127.0.0.1/8" && s != "0:0:0:0:0:0:0:1/128" || !a.Permanent() {
			t.Logf("lo has %s, permanent %v", s, a.Permanent())
		}
	}
	if _, err := c.Routes(link.Index); err != nil {
		t.Error(err)
	}
}

// Whatever comes, nothing panics.
func FuzzAnswer(f *testing.F) {
	f.Add(encode(unix.RTM_NEWLINK, 0, 1, appendName(linkHeader(1, 1, 0), unix.IFLA_IFNAME, "lo")))
	f.Add(encode(unix.NLMSG_ERROR, unix.NLM_F_ACK_TLVS|unix.NLM_F_CAPPED, 1, make([]byte, 40)))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := split(b, 1)
		if err != nil {
			return
		}
		for _, m := range all {
			_, _ = final(m, unix.NLM_F_ACK)
			_, _ = parseLink(m.body)
			if len(m.body) >= unix.SizeofIfAddrmsg {
				a := Address(m.body)
				_, _ = a.Permanent(), a.String()
				_ = a.request(&Link{Name: "x"}, "y")
			}
			if len(m.body) >= unix.SizeofRtMsg {
				_ = Route(m.body).over(1)
			}
		}
	})
}
