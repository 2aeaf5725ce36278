// Package hooks runs the programs of a spec's hooks: the container's state as JSON on standard input, their
// output kept for the error, a bounded time. The runtime runs those of its own namespaces, the init stage
// those of the container's. It imports internal/sys and internal/document alone.
package hooks
