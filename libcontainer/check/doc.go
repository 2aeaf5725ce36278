// Package check finds out what would go wrong with a bundle, without running it: what its config.json says, what the root file
// system lacks, and what this host cannot give.
//
// It has no rules of its own about the config: those are libcontainer/bundle's, which a create goes by as well. What a
// create leaves to the kernel, or to the step that needs it, is looked at here beforehand. Nothing is changed by it: no file is
// made, nothing is mounted, no process is started. The root file system is not to be trusted: every look into it is confined to it, and
// what is not a regular file is never opened.
//
// Where a look is not possible the answer is a note, not an error: what is mounted later, what a hook brings along, and what
// the calling user may not see.
package check
