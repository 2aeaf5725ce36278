// Package launch is the runtime's side of a container's birth: it seals the binary, opens the namespaces to
// join, has nsenter start the init stage in its place, writes the id maps and talks to the init stage until
// that stands on its own feet. The init stage's side is initproc.
package launch
