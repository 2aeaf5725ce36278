package fsroot

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// MkdirAll returns a descriptor (O_PATH) of the directory at unsafePath and makes what of it is missing, with mode less
// the umask. Links are followed inside the root, also to a target that is still to be made. ".." is followed through
// what exists and refused (ENOENT) in the part that does not. A directory that somebody else makes at the same time is fine.
func (r *Root) MkdirAll(unsafePath string, mode uint32) (int, error) {
	fd, err := r.OpenDir(unsafePath)
	if !errors.Is(err, unix.ENOENT) || unsafePath == "" {
		return fd, pathError("mkdir", unsafePath, err)
	}
	return r.MakeDir(unsafePath, mode)
}

// MakeDir is MkdirAll for a directory that a look-up has just not found.
func (r *Root) MakeDir(unsafePath string, mode uint32) (int, error) {
	dir, missing, err := r.deepest(unsafePath)
	if err == nil {
		dir, err = mkdirs(dir, missing, mode)
	}
	return dir, pathError("mkdir", unsafePath, err)
}

// MakeFile returns a descriptor (O_PATH) of the file at unsafePath, which a look-up has just not found: an empty regular one, with mode
// less the umask, in directories that are made, too. A link at the end is followed inside the root, to what is missing. What somebody
// else makes there at the same time is returned as it is, of whatever type: nothing is opened, truncated or changed.
func (r *Root) MakeFile(unsafePath string, mode uint32) (int, error) {
	if wantDir(unsafePath) != 0 {
		return -1, pathError("create", unsafePath, unix.EISDIR)
	}
	dir, missing, err := r.deepest(unsafePath)
	if err != nil {
		return -1, pathError("create", unsafePath, err)
	}
	if len(missing) == 0 { // a directory, which somebody has made in the meantime
		return dir, nil
	}
	last := len(missing) - 1
	if dir, err = mkdirs(dir, missing[:last], dirMode); err != nil {
		return -1, pathError("create", unsafePath, err)
	}
	defer sys.Close(dir)
	fd, err := CreateFileAt(dir, missing[last], mode)
	return fd, pathError("create", unsafePath, err)
}

// CreateFileAt returns a descriptor (O_PATH) of the file called name in the directory dir, and makes it if there is none: an empty regular
// one, with mode less the umask. What exists is returned as it is. No link is followed: ELOOP.
func CreateFileAt(dir int, name string, mode uint32) (int, error) {
	// mknodat and not O_CREAT: it neither follows nor opens what somebody puts there (CVE-2024-45310).
	if err := sys.Mknodat(dir, name, unix.S_IFREG|mode, 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	return OpenAt(dir, name, unix.O_PATH)
}

// OpenAt opens a single name in the directory dir, and follows no link: ELOOP.
func OpenAt(dir int, name string, flags uint64) (int, error) {
	return sys.Openat2(dir, name, unix.OpenHow{Flags: flags, Resolve: step})
}

// Parent returns a descriptor of the directory that unsafePath's last name is in, made if need be, and that name. A path that does not
// end in a plain name (".", "..", a slash) is refused: EINVAL.
func (r *Root) Parent(unsafePath string) (dir int, name string, err error) {
	i := strings.LastIndexByte(unsafePath, '/')
	name = unsafePath[i+1:]
	if name == "" || name == "." || name == ".." {
		return -1, "", pathError("open", unsafePath, unix.EINVAL)
	}
	dir, err = r.MkdirAll("/"+unsafePath[:i+1], dirMode)
	return dir, name, err
}

// mkdirs makes the directories names, each inside the one before, starting in dir, which it takes over, and
// returns the last.
func mkdirs(dir int, names []string, mode uint32) (int, error) {
	for _, name := range names {
		err := sys.Mkdirat(dir, name, mode)
		next := -1
		if err == nil || errors.Is(err, unix.EEXIST) {
			next, err = OpenAt(dir, name, unix.O_PATH|unix.O_DIRECTORY)
		}
		sys.Close(dir)
		if err != nil {
			return -1, err
		}
		dir = next
	}
	return dir, nil
}

// deepest returns the last directory of unsafePath that exists and the names below it that are missing. A link to
// something missing is replaced by its target, so that it is the target that gets made.
func (r *Root) deepest(unsafePath string) (int, []string, error) {
	names := split(unsafePath)
	known := max(len(names)-1, 0) // all of it was not found
	for range maxLinks {
		dir, n, err := r.deepestDir(names, known)
		if err != nil || n == len(names) {
			return dir, nil, err
		}
		missing := names[n:]
		target, err := sys.Readlinkat(dir, missing[0])
		if err == nil {
			sys.Close(dir)
			names = follow(names[:n], target, missing[1:])
			known = len(names)
			continue
		}
		// EINVAL: there, but no link. Either somebody has just made it, or it is no directory: mkdirs will see which.
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
			sys.Close(dir)
			return -1, nil, err
		}
		for _, name := range missing {
			if name == ".." {
				sys.Close(dir)
				return -1, nil, unix.ENOENT
			}
		}
		return dir, missing, nil
	}
	return -1, nil, unix.ELOOP
}

// deepestDir opens the longest prefix of names that is a directory, of most names at most, and says how many names that are.
func (r *Root) deepestDir(names []string, most int) (fd, n int, err error) {
	for n = most; ; n-- {
		fd, err = r.OpenDir("/" + strings.Join(names[:n], "/"))
		// ENOTDIR for the whole path is what its last name is: the caller makes a file there, or is told.
		if err == nil || n == 0 || !errors.Is(err, unix.ENOENT) {
			return fd, n, err
		}
	}
}

// follow is the path prefix/link/rest with the link replaced by what it says.
func follow(prefix []string, target string, rest []string) []string {
	var names []string
	if !strings.HasPrefix(target, "/") {
		names = append(names, prefix...)
	}
	return append(append(names, split(target)...), rest...)
}

func split(unsafePath string) []string {
	var names []string
	for name := range strings.SplitSeq(unsafePath, "/") {
		if name != "" && name != "." {
			names = append(names, name)
		}
	}
	return names
}
