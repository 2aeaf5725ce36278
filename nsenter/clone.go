//go:build !s390x

package nsenter

// cloneStackFirst tells that clone(2) takes the stack ahead of the flags.
const cloneStackFirst = false
