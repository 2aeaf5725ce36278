// Package console makes and moves terminals: the container's pseudo-terminal in the init stage, and for a
// foreground run the copying between it and the caller's terminal. It imports internal packages alone.
package console
