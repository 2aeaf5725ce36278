package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	suiteDir     = "tests/conformance/suite" // the pinning module, seen from the module's root
	suiteModule  = "github.com/opencontainers/runtime-tools"
	inside       = "runtimetest" // what the programs run in their containers
	ownName      = "conformance" // this program, beside them in a guest
	versionFile  = "version.txt"
	cacheSubject = "tare-conformance"
)

// rootfsArchive is the root file system of the programs' containers. There is one for amd64 and one for 386.
func rootfsArchive() string { return "rootfs-" + runtime.GOARCH + ".tar.gz" }

// obtain gives the directory of the built programs: in the cache, under a name made from what they are built from.
func obtain(ctx context.Context, pins string) (string, error) {
	key, err := pinKey(pins)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w", err)
	}
	dir := filepath.Join(cache, cacheSubject, key)
	if _, err := os.Stat(filepath.Join(dir, versionFile)); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	building, err := os.MkdirTemp(filepath.Dir(dir), "building-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(building)
	if err := buildSuite(ctx, pins, building); err != nil {
		return "", err
	}
	if err := os.Rename(building, dir); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return dir, nil
}

func pinKey(pins string) (string, error) {
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(pins, name))
		if err != nil {
			return "", err
		}
		sum.Write(data)
	}
	fmt.Fprint(sum, runtime.GOARCH, runtime.Version())
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), nil
}

// buildSuite builds the tools of the pinning module, which are the suite's programs.
func buildSuite(ctx context.Context, pins, dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if _, err := golang(ctx, pins, "build", "-trimpath", "-ldflags=-s -w", "-o", dir+"/", "tool"); err != nil {
		return err
	}
	out, err := golang(ctx, pins, "list", "-m", "-f", "{{.Dir}}\n{{.Version}}", suiteModule)
	if err != nil {
		return err
	}
	source, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err := copyFile(filepath.Join(source, rootfsArchive()), filepath.Join(dir, rootfsArchive()), 0o644); err != nil {
		return fmt.Errorf("the suite's root file system: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, versionFile), []byte(version+"\n"), 0o644)
}

// golang runs the Go tool in the pinning module, which must hold every hash already.
func golang(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), dir, err, said.Bytes())
	}
	return out, nil
}

// buildInto fills a directory with all that a run elsewhere needs: the programs, this one, and the deviations.
func buildInto(ctx context.Context, dir string) error {
	from, err := obtain(ctx, suiteDir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := copyFile(self, filepath.Join(dir, ownName), 0o755); err != nil {
		return err
	}
	return copyFile(filepath.Join(filepath.Dir(suiteDir), "deviations.txt"), filepath.Join(dir, "deviations.txt"), 0o644)
}

func suiteVersion(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, versionFile))
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(data))
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
