// Package terminal drives tare inside a real terminal, tmux, as a person at a keyboard does: it types, and reads the
// screen. tests/integration has what can be said about pseudo terminals without one.
package terminal
