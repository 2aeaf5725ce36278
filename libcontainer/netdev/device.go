package netdev

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/netlink"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Device is a network device that a container is to get: what it was on the host, and what becomes of it. It is written down
// before the device is touched, so that it can be brought back by another process.
type Device struct {
	Key    string `json:"key"`    // in linux.netDevices
	Name   string `json:"name"`   // on the host; where the key is an alternative name, another one
	Index  uint32 `json:"index"`  // on the host
	Target string `json:"target"` // name in the container, with %d if the kernel is to choose a number
	Way    string `json:"way"`    // name on the way there and back, that nobody else has
	Inside uint32 `json:"inside"` // index in the container, once it is known

	Up          bool     `json:"up"`
	Master      uint32   `json:"master"`
	AddrGenMode int      `json:"addr_gen_mode"`
	Addresses   []string `json:"addresses"` // hexadecimal netlink.Address
	Routes      []string `json:"routes"`    // hexadecimal netlink.Route
}

// Look finds the devices on the host and takes down how they are. It changes nothing.
func Look(wanted map[string]specs.LinuxNetDevice) ([]Device, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	host, err := netlink.Open()
	if err != nil {
		return nil, fmt.Errorf("linux.netDevices (/linux/netDevices): %w", err)
	}
	defer host.Close()
	devices := make([]Device, 0, len(wanted))
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		d, err := look(host, key)
		if err != nil {
			return nil, fieldError(key, err)
		}
		if name := wanted[key].Name; name != "" {
			d.Target = name
		}
		for i := range devices {
			if devices[i].Index == d.Index {
				return nil, fieldError(key, fmt.Errorf("is another name of the device %s, which is listed, too", devices[i].Key))
			}
		}
		devices = append(devices, *d)
	}
	return devices, nil
}

func look(host *netlink.Conn, key string) (*Device, error) {
	link, err := host.LinkByName(key)
	if errors.Is(err, unix.ENODEV) {
		return nil, fmt.Errorf("the runtime's network namespace has no such device: %w", err)
	}
	if err != nil {
		return nil, err
	}
	d := &Device{
		Key: key, Name: link.Name, Target: link.Name, Index: link.Index, Up: link.Up, Master: link.Master, AddrGenMode: link.AddrGenMode,
		// 15 bytes, the most there can be.
		Way: fmt.Sprintf("tare-%010x", rand.Uint64()>>24),
	}
	addresses, err := host.Addresses(link.Index)
	if err != nil {
		return nil, fmt.Errorf("list its addresses: %w", err)
	}
	for _, a := range addresses {
		d.Addresses = append(d.Addresses, hex.EncodeToString(a))
	}
	routes, err := host.Routes(link.Index)
	if err != nil {
		return nil, fmt.Errorf("list the routes over it: %w", err)
	}
	for _, r := range routes {
		d.Routes = append(d.Routes, hex.EncodeToString(r))
	}
	return d, nil
}

// addresses are those of the device that keep says so of, in the order in which to add them. Those of IPv6 come last first: the
// kernel puts a new one before the others.
func (d *Device) addresses(keep func(netlink.Address) bool) ([]netlink.Address, error) {
	var all, six []netlink.Address
	for _, text := range d.Addresses {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) < unix.SizeofIfAddrmsg {
			return nil, fmt.Errorf("address %q of the saved state is none", text)
		}
		switch a := netlink.Address(b); {
		case !keep(a):
		case b[0] == unix.AF_INET6:
			six = append(six, a)
		default:
			all = append(all, a)
		}
	}
	slices.Reverse(six)
	return append(all, six...), nil
}

func (d *Device) routes() ([]netlink.Route, error) {
	var all []netlink.Route
	for _, text := range d.Routes {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) < unix.SizeofRtMsg {
			return nil, fmt.Errorf("route %q of the saved state is none", text)
		}
		all = append(all, b)
	}
	return all, nil
}

func (d *Device) isTemplate() bool { return strings.HasSuffix(d.Target, "%d") }

func fieldError(key string, err error) error {
	return fmt.Errorf("linux.netDevices[%q] (/linux/netDevices/%s): %w", key, strings.ReplaceAll(key, "~", "~0"), err)
}
