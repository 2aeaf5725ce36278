package dbus

import (
	"fmt"
	"time"
)

// Match says which signals are of interest: those of an object's interface, by name, of which one argument is a certain text.
type Match struct {
	Sender, Path, Interface, Member string
	Arg                             int
	Value                           string
}

// maxSignals is how many are kept of those that match.
const maxSignals = 64

// Listen has signals that match kept from now on, for AwaitSignal, in the place of those of an earlier Listen.
//
// A bus is told so, and passes on nothing else: with a rule this narrow, a hundred of us at work do not make it send
// a hundred times a hundred messages.
func (c *Conn) Listen(m Match, timeout time.Duration) error {
	known := c.match != nil && *c.match == m
	c.match, c.signals = &m, nil
	if !c.bus || known {
		return nil
	}
	rule := fmt.Sprintf("type='signal',sender='%s',path='%s',interface='%s',member='%s',arg%d='%s'",
		m.Sender, m.Path, m.Interface, m.Member, m.Arg, m.Value)
	_, err := c.Call(&Method{
		Destination: busName, Path: busPath, Interface: busName, Member: "AddMatch", Signature: "s", Args: []any{rule},
	}, timeout)
	return err
}

func (c *Conn) keep(m *message) {
	if c.match == nil || !c.match.fits(m) || len(c.signals) == maxSignals {
		return
	}
	c.signals = append(c.signals, m)
}

func (m *Match) fits(s *message) bool {
	if s.kind != kindSignal || s.path != m.Path || s.iface != m.Interface || s.member != m.Member || m.Arg >= len(s.args) {
		return false
	}
	text, _ := s.args[m.Arg].(string)
	return text == m.Value
}

// AwaitSignal returns the arguments of the next signal of Listen's rule that accept accepts, and drops the ones before it.
// Only whoever answered the last call counts: on a bus, anybody can send a signal to a single member.
func (c *Conn) AwaitSignal(timeout time.Duration, accept func(args []any) bool) ([]any, error) {
	deadline := time.Now().Add(timeout)
	for {
		for len(c.signals) > 0 {
			s := c.signals[0]
			c.signals = c.signals[1:]
			if s.sender == c.peer && accept(s.args) {
				return s.args, nil
			}
		}
		if _, err := c.receive(deadline); err != nil {
			return nil, fmt.Errorf("wait for %s: %w", c.match.Member, late(err, timeout))
		}
	}
}
