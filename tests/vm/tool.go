package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed packages.txt
var packagesText string

// packages returns the names in packages.txt whose first column is where.
func packages(where string) []string {
	var names []string
	for line := range strings.Lines(packagesText) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == where {
			names = append(names, f[1])
		}
	}
	return names
}

// findTool returns the path of a program. An ordinary user's PATH lacks the sbin directories, where Debian keeps
// mke2fs and depmod.
func findTool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: apt-get install %s", name, strings.Join(packages("host"), " "))
}

// tool runs a program in dir and returns its standard output. An error carries the last lines of its standard error.
func tool(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	path, err := findTool(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	// Messages of apt are read back; a locale must not change them.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, tail(stderr.Bytes(), 5))
	}
	return out, nil
}

// tail returns the last n lines of text.
func tail(text []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// quote makes s one word of a shell script.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
