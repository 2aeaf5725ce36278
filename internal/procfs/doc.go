// Package procfs reaches /proc through a verified handle and parses the files of /proc that tare reads.
//
// A path under /proc is a promise of the kernel only while nothing is mounted over it: a container that shares a mount
// with the one being made could otherwise redirect what we write (CVE-2025-52881). So the handle is checked to be the
// root of a procfs once, and every look-up below it refuses to cross a mount or to jump through a magic link.
//
// Parsers take text, never a path. The package imports internal/sys only. Errors of look-ups are *os.PathError; an over-mounted
// entry answers errors.Is(err, ErrOverMounted).
package procfs
