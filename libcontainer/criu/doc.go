// Package criu talks to CRIU, the program that writes the processes of a container to files and makes them again from these.
//
// CRIU is executed as `criu swrk FD`, a server for the one process that has started it, and is spoken to in protocol buffers (criu(8);
// its rpc.proto has the numbers). The few kinds of fields that these messages have are encoded here: a library for all of protocol
// buffers would cost each start of the program more than its whole birth of a container.
//
// The package knows nothing of containers: what is to be in a request, package libcontainer says.
package criu
