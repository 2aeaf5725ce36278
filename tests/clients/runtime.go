package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// ociRuntime is what a client is told to use.
type ociRuntime struct {
	Name, Path, Version string
}

// findRuntimes gives tare, then the peers that are installed; it names who is not.
func findRuntimes(ctx context.Context, tare string, peers []string) ([]ociRuntime, error) {
	var all []ociRuntime
	for i, file := range append([]string{tare}, peers...) {
		if i == 0 {
			file = absolute(file)
		}
		path, err := exec.LookPath(file)
		if err != nil && i == 0 {
			return nil, err
		}
		if err != nil {
			fmt.Printf("%s is not on PATH: left out\n", file)
			continue
		}
		out, err := exec.CommandContext(ctx, path, "--version").Output()
		if err != nil {
			return nil, fmt.Errorf("%s --version: %w", path, err)
		}
		version, _, _ := strings.Cut(string(out), "\n")
		all = append(all, ociRuntime{Name: filepath.Base(path), Path: path, Version: version})
	}
	return all, nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
