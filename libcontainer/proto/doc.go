// Package proto is what the runtime and the init stage say to each other, over one stream socket:
//
//	runtime                        init stage
//	   Config ────────────────────▶            what to build
//	          ◀──────────────────── Mounted    namespaces and mounts are there
//	   Go ────────────────────────▶            the runtime's hooks have run
//	          ◀──────────────────── Ready      only the start is missing
//	   Go ────────────────────────▶            the state is on disk: live on without the runtime
//	          ◀──────────────────── (end)      of a create: it waits at the fifo; of a run: the workload is executed
//
// A process that joins a container is told its Config, and that is all: the end of the socket says that it is executed, or
// being made (then the rest comes through Exec.Report).
//
// At any point the init stage may send Warning, or end the conversation with Failure. At any other point the end
// of the socket means that the other side has died.
// Messages are a kind, a length and a value in the encoding of internal/wire.
package proto
