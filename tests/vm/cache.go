package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// kernel is an unpacked Debian kernel package.
type kernel struct {
	dir     string // holds boot/ and lib/modules/
	release string // as uname -r says it
}

func (k kernel) image() string { return filepath.Join(k.dir, "boot", "vmlinuz-"+k.release) }

// ensureKernel returns the cached kernel and downloads it first if there is none, or refresh asks for it.
func ensureKernel(ctx context.Context, cache string, refresh bool) (kernel, error) {
	dir := filepath.Join(cache, "kernel")
	if !refresh {
		if k, err := openKernel(dir); err == nil {
			return k, nil
		}
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return kernel{}, err
	}
	tmp, err := os.MkdirTemp(cache, "kernel-*")
	if err != nil {
		return kernel{}, err
	}
	defer os.RemoveAll(tmp)
	k, err := fetchKernel(ctx, tmp)
	if err != nil {
		return kernel{}, fmt.Errorf("fetch the guest's kernel: %w", err)
	}
	// The rename publishes the whole tree at once, so that a run beside this one sees all of it or nothing.
	if err := os.RemoveAll(dir); err != nil {
		return kernel{}, err
	}
	if err := os.Rename(k.dir, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return kernel{}, err
	}
	return openKernel(dir)
}

func openKernel(dir string) (kernel, error) {
	found, err := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
	if err != nil {
		return kernel{}, err
	}
	if len(found) != 1 {
		return kernel{}, fmt.Errorf("%s/boot holds %d kernels, want 1", dir, len(found))
	}
	return kernel{dir, strings.TrimPrefix(filepath.Base(found[0]), "vmlinuz-")}, nil
}

// fetchKernel downloads the package that the metapackage of packages.txt depends on, and unpacks it below dir.
func fetchKernel(ctx context.Context, dir string) (kernel, error) {
	meta := packages("kernel")[0]
	out, err := tool(ctx, dir, "apt-cache", "depends", "--important", meta)
	if err != nil {
		return kernel{}, fmt.Errorf("%w (has apt-get update been run?)", err)
	}
	name := ""
	for line := range strings.Lines(string(out)) {
		if dep, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: linux-image-"); ok {
			name = "linux-image-" + dep
		}
	}
	if name == "" {
		return kernel{}, fmt.Errorf("%s depends on no linux-image package", meta)
	}
	if _, err := tool(ctx, dir, "apt-get", "download", name); err != nil {
		return kernel{}, fmt.Errorf("%w (has apt-get update been run?)", err)
	}
	debs, err := filepath.Glob(filepath.Join(dir, name+"_*.deb"))
	if err != nil || len(debs) != 1 {
		return kernel{}, fmt.Errorf("apt-get download %s left %d packages", name, len(debs))
	}
	tree := filepath.Join(dir, "tree")
	if _, err := tool(ctx, dir, "dpkg-deb", "-x", debs[0], tree); err != nil {
		return kernel{}, err
	}
	k, err := openKernel(tree)
	if err != nil {
		return kernel{}, err
	}
	_, err = tool(ctx, dir, "depmod", "-b", tree, k.release)
	return k, err
}

// ensureRoot returns the root disk of the guest: the cached one if everything it is made of is unchanged.
func ensureRoot(ctx context.Context, o *options, k kernel) (string, error) {
	key, err := rootKey(o, k)
	if err != nil {
		return "", err
	}
	kind := strings.Join(append([]string{o.guest}, o.with...), "+")
	image := filepath.Join(o.cache, kind+"-"+key+".img")
	if _, err := os.Stat(image); err == nil && !o.refresh {
		return image, nil
	}
	tmp, err := os.MkdirTemp(o.cache, "root-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	build := buildSmall
	if o.guest == guestSystemd {
		build = buildSystemd
	}
	made := filepath.Join(tmp, "root.img")
	if err := build(ctx, o, k, tmp, made); err != nil {
		return "", fmt.Errorf("build the %s guest: %w", o.guest, err)
	}
	stale, err := filepath.Glob(filepath.Join(o.cache, kind+"-????????????.img"))
	if err != nil {
		return "", err
	}
	for _, old := range stale {
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return image, os.Rename(made, image)
}

// rootKey is a digest of all that goes into a root disk, apart from what Debian's archive holds today.
func rootKey(o *options, k kernel) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, "layout 1", k.release, o.guest, o.with, packagesText)
	err := fs.WalkDir(guestFiles, "guest", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := guestFiles.ReadFile(path)
		fmt.Fprintf(h, "%s %d\n%s", path, len(data), data)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:12], err
}
