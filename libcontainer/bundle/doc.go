// Package bundle reads a bundle: its config.json, decoded once, normalised once, and checked as a whole.
//
// Everything that can be seen to be wrong in the config alone is found here, before anything has a side effect, and all of it
// is reported in one go. What depends on the kernel, on the cgroup hierarchy or on the contents of the root file system is
// checked where it is used.
//
// Once Load has returned it, a Spec is read-only by convention: nobody changes it, everybody may keep it.
//
// Errors are one line each. A file that is no JSON, or has a value of the wrong type, gives a *DecodeError with line, column
// and JSON pointer; a config that contradicts the specification, or asks for what this version cannot do, gives Problems; what
// the kernel says about the files gives an *os.PathError.
//
// The package must not import rootfs, launch or anything else that acts on a container. Validate, ValidateProcess,
// ValidateResources and Warnings are pure functions; they touch no file.
package bundle
