// Package dbus is as much of a D-Bus client as it takes to ask systemd for something and to hear how it ended: one
// connection over a unix socket, one call at a time, and the signals of one rule.
//
// Whom to trust: the peer is a bus or a manager that we chose, but what arrives is checked as if it were anybody's: sizes,
// alignment, signatures and depth. Every operation has a time limit. There are no goroutines and no callbacks; signals that
// arrive during a call are kept for AwaitSignal.
//
// It imports internal/sys only. The protocol: https://dbus.freedesktop.org/doc/dbus-specification.html
package dbus
