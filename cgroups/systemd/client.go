package systemd

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tare/internal/dbus"
	"tare/internal/sys"
)

// How long systemd and its bus may take. A job, from the call that asks for it to its end, waits behind those of others and
// behind a daemon-reload.
const (
	connectTimeout = 10 * time.Second
	callTimeout    = 30 * time.Second
	jobTimeout     = 60 * time.Second
)

const (
	busName       = "org.freedesktop.systemd1"
	managerPath   = "/org/freedesktop/systemd1"
	managerIface  = busName + ".Manager"
	unitIface     = busName + ".Unit"
	getProperties = "org.freedesktop.DBus.Properties"

	errUnitExists = busName + ".UnitExists"
	errNoSuchUnit = busName + ".NoSuchUnit"
	errAccess     = "org.freedesktop.DBus.Error.AccessDenied"
	errAuthorize  = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
	errNoService  = "org.freedesktop.DBus.Error.ServiceUnknown"
	errNoOwner    = "org.freedesktop.DBus.Error.NameHasNoOwner"
	errNoProperty = "org.freedesktop.DBus.Error.PropertyReadOnly"
	errBadValue   = "org.freedesktop.DBus.Error.InvalidArgs"
)

// System is the bus of the system's manager, as Find gives it; all others are addresses of users' buses.
const System = ""

const (
	systemBus     = "unix:path=/run/dbus/system_bus_socket"
	systemPrivate = "/run/systemd/private"
	booted        = "/run/systemd/system" // there if systemd is init: sd_booted(3)
)

// Find says which manager is to make the cgroup: the system's for the root to whom that belongs, the user's own for all
// others, and for root in a user namespace that somebody else made, to whom the system's is a stranger's.
func Find() (bus string, err error) {
	uid, err := sys.Owner(booted)
	if err != nil {
		return "", fmt.Errorf("systemd cgroup driver: this system was not booted with systemd: %w", err)
	}
	if os.Geteuid() == 0 && uid == 0 {
		return System, nil
	}
	if address := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); address != "" {
		return address, nil
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return dbus.PathAddress(dir + "/bus"), nil
	}
	return "", errors.New("systemd cgroup driver: the user's systemd cannot be found: " +
		"neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set")
}

// Client is a conversation with a systemd manager.
type Client struct{ conn *dbus.Conn }

// Connect connects to the manager on that bus.
//
// The bus is where systemd promises its interface. Where the system has none, or one that does not answer, there is
// systemd's private socket, which it uses for its own tools (systemd(1)): a container is not to fail for want of a bus.
func Connect(bus string) (*Client, error) { return connect(bus, connectTimeout) }

func connect(bus string, timeout time.Duration) (*Client, error) {
	if bus != System {
		conn, err := dbus.Dial(bus, true, timeout)
		if err != nil {
			return nil, fmt.Errorf("connect to the user's systemd: %w%s", err, userHint(err))
		}
		return &Client{conn}, nil
	}
	if address := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"); address != "" { // whoever says where wants no other place
		conn, err := dbus.Dial(address, true, timeout)
		if err != nil {
			return nil, fmt.Errorf("connect to systemd: %w", err)
		}
		return &Client{conn}, nil
	}
	conn, err := dbus.Dial(systemBus, true, timeout)
	if err == nil {
		return &Client{conn}, nil
	}
	conn, private := dbus.Dial(dbus.PathAddress(systemPrivate), false, timeout)
	if private != nil {
		return nil, fmt.Errorf("connect to systemd: %w; and %w", err, private)
	}
	return &Client{conn}, nil
}

func userHint(err error) string {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		return ": is the user logged in, or allowed to linger (loginctl enable-linger)?"
	}
	return ""
}

// Close ends the conversation.
func (c *Client) Close() { c.conn.Close() }

// manager calls a method of the manager.
func (c *Client) manager(member, signature string, args ...any) ([]any, error) {
	return c.call(callTimeout, member, signature, args...)
}

func (c *Client) call(timeout time.Duration, member, signature string, args ...any) ([]any, error) {
	return c.conn.Call(&dbus.Method{
		Destination: busName, Path: managerPath, Interface: managerIface, Member: member, Signature: signature, Args: args,
	}, timeout)
}

// get reads a property of the manager or of a unit.
func (c *Client) get(path, iface, name string) (any, error) {
	answer, err := c.conn.Call(&dbus.Method{
		Destination: busName, Path: path, Interface: getProperties, Member: "Get", Signature: "ss", Args: []any{iface, name},
	}, callTimeout)
	if err != nil {
		return nil, explain(err)
	}
	v, _ := first(answer).(dbus.Variant)
	return v.Value, nil
}

func first(answer []any) any {
	if len(answer) == 0 {
		return nil
	}
	return answer[0]
}

// ControlGroup is the manager's own cgroup, below which it has all others: "" if that is the root.
func (c *Client) ControlGroup() (string, error) {
	v, err := c.get(managerPath, managerIface, "ControlGroup")
	path, ok := v.(string)
	if err == nil && !ok {
		err = fmt.Errorf("%w: the answer is a %T", dbus.ErrProtocol, v)
	}
	if err != nil {
		return "", fmt.Errorf("ask systemd for its cgroup: %w", err)
	}
	return strings.TrimSuffix(path, "/"), nil
}

// explain adds what the name of a refusal means to a person.
func explain(err error) error {
	switch {
	case dbus.IsError(err, errAccess), dbus.IsError(err, errAuthorize):
		return fmt.Errorf("%w: systemd does not take orders from user %d", err, os.Geteuid())
	case dbus.IsError(err, errNoService), dbus.IsError(err, errNoOwner):
		return fmt.Errorf("%w: there is no systemd on this bus", err)
	case dbus.IsError(err, errNoProperty):
		return fmt.Errorf("%w: is this systemd too old for it?", err)
	case errors.Is(err, dbus.ErrTimeout):
		return fmt.Errorf("%w: systemd or its bus is busy or hangs", err)
	}
	return err
}
