// Package rootfs builds a container's file system: its mounts, devices and links, the change of root, and the paths that
// are read-only or masked. docs/rootfs.md tells the story for a newcomer.
//
// It runs in the init stage: inside the container's mount namespace, on the one locked thread of a process that nobody
// shares a working directory with. The order of the calls is Open, Mount, Devices, then Pivot and the rest; before
// Pivot the host's paths can still be seen, and sources are opened by them. OpenSources is for the runtime.
//
// The rule of the package: config.json is trusted, what lies below the container's root is not. A path there is
// resolved once, by internal/fsroot, into a descriptor. A mount is made detached, gets its attributes while nobody can
// reach it, and is moved onto that descriptor. The mount table (mountinfo) is read for an error's text only.
//
// Errors name the field of config.json as an index and as a JSON pointer. What we refuse to do answers errors.Is(err,
// ErrRefused); everything else keeps the errno. The package imports nothing above layer 2.
package rootfs
