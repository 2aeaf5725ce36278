package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sourceLimit keeps stray disk images and dumps in a work tree out of the guest.
const sourceLimit = 32 << 20

// copySource copies the files of the module at root to tree. Names that begin with a dot stay behind: .git and its
// like. A file that vanishes meanwhile is no error, as people work in the tree while it is copied.
func copySource(root, tree string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || path == root {
			return nil
		}
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		err = copyEntry(path, filepath.Join(tree, rel), d)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// copyEntry copies one directory (without its entries), file or symbolic link; it passes over anything else.
func copyEntry(from, to string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	switch {
	case d.IsDir():
		// Others may read it: a test may give up root.
		return os.MkdirAll(to, 0o755)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case info.Mode().IsRegular() && info.Size() <= sourceLimit:
		return copyFile(from, to, info.Mode().Perm())
	}
	return nil
}

func copyFile(from, to string, perm fs.FileMode) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
