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
// With a filter that has notifications (SCMP_ACT_NOTIFY), its listener gets out before the end:
//
//	runtime                        init stage
//	          ◀──────────────────── Loading    only the filter is missing
//	   Go ────────────────────────▶            the agent is there
//	          ◀──────────────────── listener   as a descriptor, with that of the relay before it
//	   Go ────────────────────────▶            the agent has it
//
// In a create, this is said on a second socket, at which the stage meets who starts it: the first one has ended then.
//
// The stage of a process that joins a container is told its Config. It ends the socket when it makes the process, and the
// rest goes through two pipes; or it says Ready, and executes the process itself after a Go.
//
// At any point the init stage may send Warning, or end the conversation with Failure. At any other point the end
// of the socket means that the other side has died.
// Messages are a kind, a length and a value in the encoding of internal/wire.
package proto
