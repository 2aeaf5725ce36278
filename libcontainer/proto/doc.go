// Package proto is what the runtime and the init stage say to each other, over one stream socket:
//
//	runtime                        init stage
//	   Config ────────────────────▶            what to build, with the descriptors of Sources behind it
//	          ◀──────────────────── Mounted    namespaces and mounts are there
//	   Go ────────────────────────▶            the runtime's hooks have run
//	          ◀──────────────────── Ready      only the start is missing
//	   Go ────────────────────────▶            the state is on disk: live on without the runtime
//	          ◀──────────────────── (end)      of a create: it waits at the fifo; of a run: the workload is executed
//
// The stage of a process that joins a container is told its Config. It ends the socket when it makes the process, and the
// rest goes through two pipes; or it says Ready, and executes the process itself after a Go.
//
// At any point the init stage may send Warning, or end the conversation with Failure. At any other point the end
// of the socket means that the other side has died.
// Messages are a kind, a length and a value in the encoding of internal/wire.
package proto
