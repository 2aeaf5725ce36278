package managers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// What the managers make of the texts that a runtime gives them. Each function has the rules of one of them.

const unknownKillError = "unknown error after kill"

// shimKillError is what containerd's shim makes of both outputs of a kill that has failed.
func shimKillError(output string) string {
	switch {
	case strings.Contains(output, "os: process already finished"), strings.Contains(output, "container not running"),
		strings.Contains(strings.ToLower(output), "no such process"):
		return "process already finished"
	case strings.Contains(output, "does not exist"):
		return "no such container"
	}
	return unknownKillError
}

// crioNotFound tells whether CRI-O takes the standard error of a failed call for its ErrNotFound.
func crioNotFound(stderr string) bool {
	return containsAny(stderr, "container not running", "no such process", "invalid process")
}

// docker404 tells whether dockerd 20.10 takes an error of containerd's for that of an unknown container.
func docker404(text string) bool {
	return containsAny(text, "container does not exist", "not found", "no such container")
}

// dockerExitCode is the exit code that dockerd gives a container that could not be created or started, or a process.
func dockerExitCode(text string) int {
	text = strings.ToLower(text)
	switch {
	case containsAny(text, "permission denied", "is a directory"):
		return 126
	case containsAny(text, "not a directory", "executable file not found", "no such file or directory",
		"system cannot find the file specified", "failed to run runc create/exec call"):
		return 127
	}
	return 128
}

// podmanExitCode is that of `podman run` and `podman exec`.
func podmanExitCode(text string) int {
	switch {
	case containsAny(strings.ToLower(text), "permission denied", "operation not permitted"):
		return 126
	case containsAny(text, "executable file not found in", "no such file or directory", "open executable"),
		containsAny(text, "not found", "executable path is empty", "no such file"): // of the whole of its own error
		return 127
	}
	return 126
}

var noSuchExecutable = regexp.MustCompile(`(starting container process caused|unable to start container process): exec: .*: ` +
	`(stat .*: no such file or directory|executable file not found in \$PATH)`)

// guardianNoSuchExecutable tells whether Guardian takes an error for that of a program which is not there.
func guardianNoSuchExecutable(text string) bool { return noSuchExecutable.MatchString(text) }

func containsAny(text string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// shimLastError is the error that containerd's shim shows for a failed create, start or exec: the last record of the log with
// level error. One line that is not a record, or one time that is none, and it finds nothing at all.
func shimLastError(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	last := ""
	for dec := json.NewDecoder(bytes.NewReader(data)); ; {
		var record struct {
			Level, Msg string
			Time       time.Time
		}
		if err := dec.Decode(&record); errors.Is(err, io.EOF) {
			return last, nil
		} else if err != nil {
			return "", err
		}
		if record.Level == "error" {
			last = record.Msg
		}
	}
}

// podmanError is the error that Podman and SingularityCE show: that of a log which is one record and nothing else.
func podmanError(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var record struct{ Msg string }
	return record.Msg, json.Unmarshal(data, &record)
}

// guardianLastError goes by lines, and skips what it cannot read.
func guardianLastError(path string) (string, error) {
	data, err := os.ReadFile(path)
	last := ""
	for line := range strings.Lines(string(data)) {
		var record struct{ Level, Msg string }
		if json.Unmarshal([]byte(line), &record) == nil && (record.Level == "error" || record.Level == "fatal") {
			last = record.Msg
		}
	}
	return last, err
}

// decode reads the one JSON value that a call has printed, and nothing after it.
func decode(t *testing.T, text string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), to); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
}
