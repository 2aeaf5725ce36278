package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The kinds of guest.
const (
	guestSmall   = "small"
	guestSystemd = "systemd"
)

//go:embed guest
var guestFiles embed.FS

// writeGuestFile copies one embedded file to path.
func writeGuestFile(name, path string, mode os.FileMode) error {
	data, err := guestFiles.ReadFile("guest/" + name)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, mode)
}

// buildSmall makes the root disk of the small guest: busybox as init and as all commands, the kernel's modules, and
// the packages of -with, unpacked but not configured.
func buildSmall(ctx context.Context, o *options, k kernel, tmp, image string) error {
	tree := filepath.Join(tmp, "tree")
	if err := smallSkeleton(tree); err != nil {
		return err
	}
	if len(o.with) > 0 {
		if err := unpackPackages(ctx, tmp, tree, o.with); err != nil {
			return err
		}
	}
	if err := installBusybox(ctx, tree); err != nil {
		return err
	}
	if err := copyModules(ctx, k, tree); err != nil {
		return err
	}
	return makeDisk(ctx, tree, image, 4096)
}

// smallSkeleton makes the directories and the text files of the small guest. /usr is merged, as on Debian, so that
// packages can be unpacked over it.
func smallSkeleton(tree string) error {
	for _, dir := range strings.Fields(`usr/bin usr/sbin usr/lib usr/lib64 usr/local/bin usr/local/sbin proc sys dev run tmp
		root home/user etc/vm var/tmp var/lib mnt opt t results`) {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(tree, "var/tmp"), 0o777|fs.ModeSticky); err != nil {
		return err
	}
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+dir, filepath.Join(tree, dir)); err != nil {
			return err
		}
	}
	if err := os.Symlink("/run", filepath.Join(tree, "var/run")); err != nil {
		return err
	}
	for _, f := range [...]struct{ name, text string }{
		{"passwd", "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"},
		{"group", "root:x:0:\ntty:x:5:\nuser:x:1000:\nnogroup:x:65534:\n"},
		{"shadow", "root::19000::::::\nuser:*:19000::::::\n"},
		{"subuid", "user:100000:65536\n"},
		{"subgid", "user:100000:65536\n"},
		{"hosts", "127.0.0.1 localhost vm\n::1 localhost\n"},
		{"hostname", "vm\n"},
	} {
		if err := os.WriteFile(filepath.Join(tree, "etc", f.name), []byte(f.text), 0o644); err != nil {
			return err
		}
	}
	for _, name := range []string{"run", "setup", "start"} {
		if err := writeGuestFile(name, filepath.Join(tree, "etc/vm", name), 0o755); err != nil {
			return err
		}
	}
	return writeGuestFile("inittab", filepath.Join(tree, "etc/inittab"), 0o644)
}

// installBusybox copies the host's static busybox and links its commands, where no package brought a real one.
func installBusybox(ctx context.Context, tree string) error {
	path, err := findTool("busybox")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tree, "usr/bin/busybox"), data, 0o755); err != nil {
		return err
	}
	out, err := tool(ctx, "", "busybox", "--list-full")
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(out)) {
		dir := "usr/bin"
		if strings.HasPrefix(strings.TrimPrefix(name, "usr/"), "sbin/") {
			dir = "usr/sbin"
		}
		err := os.Symlink("/usr/bin/busybox", filepath.Join(tree, dir, filepath.Base(name)))
		if err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

// copyModules gives the tree all modules of the kernel: the disk is built once, and a list of the few that today's
// tests want would only go stale.
func copyModules(ctx context.Context, k kernel, tree string) error {
	dir := filepath.Join(tree, "usr/lib/modules")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	_, err := tool(ctx, "", "cp", "-a", filepath.Join(k.dir, "lib/modules", k.release), dir)
	return err
}

// unpackPackages downloads the packages and all they depend on and unpacks them over the tree.
func unpackPackages(ctx context.Context, tmp, tree string, names []string) error {
	archives := filepath.Join(tmp, "archives")
	if err := os.MkdirAll(filepath.Join(archives, "partial"), 0o755); err != nil {
		return err
	}
	// Against an empty list of installed packages apt resolves the whole closure, libc included.
	args := append([]string{
		"-y", "-q", "--no-install-recommends", "--download-only", "-o", "Dir::State::status=/dev/null",
		"-o", "Dir::Cache::archives=" + archives, "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root",
		"install",
	}, names...)
	if _, err := tool(ctx, tmp, "apt-get", args...); err != nil {
		return fmt.Errorf("%w (has apt-get update been run?)", err)
	}
	debs, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		// dpkg-deb -x would replace /bin and its like, links here, by directories.
		script := `dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"`
		if _, err := tool(ctx, tmp, "sh", "-c", script, "sh", deb, tree); err != nil {
			return err
		}
	}
	return nil
}

// buildSystemd makes the root disk of the systemd guest with mmdebstrap.
func buildSystemd(ctx context.Context, o *options, k kernel, tmp, image string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("mmdebstrap needs root to build it (the disk then lies in the cache, %s)", o.cache)
	}
	files := filepath.Join(tmp, "files")
	if err := os.CopyFS(files, guestFiles); err != nil {
		return err
	}
	tree := filepath.Join(tmp, "tree")
	include := append(packages("systemd"), o.with...)
	_, err := tool(ctx, tmp, "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase",
		"--include="+strings.Join(include, ","),
		"--customize-hook=sh "+quote(files+"/guest/systemd-setup")+` "$1" `+quote(files+"/guest"),
		debianSuite, tree)
	if err != nil {
		return err
	}
	if err := copyModules(ctx, k, tree); err != nil {
		return err
	}
	return makeDisk(ctx, tree, image, 4096)
}

// debianSuite is the release whose kernel and packages the guests use.
const debianSuite = "bookworm"
