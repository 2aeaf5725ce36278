package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
)

// makeDisk writes an ext4 image with the files of tree and free MiB of room beside them. It needs neither root nor a
// mount; the file is sparse, so the room costs nothing.
func makeDisk(ctx context.Context, tree, image string, free int64) error {
	size, err := treeSize(tree)
	if err != nil {
		return err
	}
	// No journal: the disk is thrown away. Lazy tables: they would be most of what is written.
	_, err = tool(ctx, "", "mke2fs", "-qq", "-F", "-t", "ext4", "-O", "^has_journal,^resize_inode",
		"-E", "lazy_itable_init=1,root_owner=0:0", "-m", "0", "-d", tree, image, fmt.Sprintf("%dM", size>>20+free))
	return err
}

// treeSize estimates how many bytes the files below dir take on a disk.
func treeSize(dir string) (int64, error) {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		total += 4096 // inode, directory entry, rounding
		if info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total + total/16, err
}
