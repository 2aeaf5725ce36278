// Package state keeps what later commands must know of a container, in a directory of the state root:
//
//	<root>/<id>/state.json    what and where it is; written to a new file, then renamed
//	<root>/<id>/config.json   the config as it was at create: later changes of the bundle do not reach the container
//	<root>/<id>/exec.fifo     from create to start: the init process waits at it
//	<root>/<id>/start.sock    from create to start: by it the listener of a filter with notifications gets to who starts
//	<root>/<id>/notify/       the sd_notify(3) socket of a container that was made with one
//	<root>/<id>/netns         while a create moves network devices: keeps the namespace that they are in
//
// Two names begin with a dot: .staged.json will be the state at Commit, .retired.json was the state until the container was gone, and is
// there for its poststop hooks.
//
// The directory is locked by whoever changes the container; who reads state.json needs no lock. It is made
// before the first side effect of a create and removed after the last of a delete, so that a runtime that is
// killed at any moment leaves a name under which the rest can be found. The package decides nothing about
// containers; errors are *os.PathError or one of the sentinels.
package state
