package dbus

import "errors"

var (
	// ErrTimeout is wrapped by whatever got no answer in time.
	ErrTimeout = errors.New("timed out")
	// ErrProtocol is wrapped by errors about what D-Bus does not allow, be it the peer's or ours.
	ErrProtocol = errors.New("not D-Bus")
	// ErrClosed says that the peer closed the connection.
	ErrClosed = errors.New("the connection was closed")
)

// Error is the peer's refusal of a call.
type Error struct {
	Name string // such as "org.freedesktop.systemd1.UnitExists"
	Text string // for people; may be empty
}

func (e *Error) Error() string {
	if e.Text == "" {
		return e.Name
	}
	return e.Text + " (" + e.Name + ")"
}

// IsError says whether err is a peer's refusal of that name.
func IsError(err error, name string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Name == name
}
