// Package fsroot reaches the files below a directory that somebody hostile can write: the container's root file system.
//
// A Root holds the directory open. Every method takes a path named unsafePath, resolves it in the kernel as if the
// directory were "/" (openat2(2) with RESOLVE_IN_ROOT: absolute links and ".." stay inside), never through a magic link,
// and returns an O_PATH descriptor, which names the file it found whatever happens to the path afterwards. No file is
// ever opened for reading, writing or truncation, so a fifo, a terminal or a device in a file's place cannot make us wait.
//
// Descriptors are plain ints and belong to the caller. The package imports internal/sys only. Errors are *os.PathError
// with the path as it was asked for.
package fsroot
