package criu

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tare/internal/sys"
)

// maxReasons is how many lines of the log an error shows: the first says why, later ones what followed from it.
const maxReasons = 2

// because adds to an error what the log says, and where it is.
func because(err error, work *os.File, log string) error {
	text, readErr := sys.ReadFileAt(work, log)
	if readErr != nil {
		return err
	}
	for _, reason := range logged(string(text)) {
		if !strings.Contains(err.Error(), reason) { // the server may have said so itself
			err = fmt.Errorf("%w: %s", err, reason)
		}
	}
	return fmt.Errorf("%w (see %s)", err, filepath.Join(work.Name(), log))
}

// logged finds the first errors in a log, or in the message of an answer. A line is `(seconds) Error (file:line): text`.
func logged(log string) (reasons []string) {
	for line := range strings.Lines(log) {
		_, text, ok := strings.Cut(line, "Error (")
		if !ok {
			continue
		}
		if _, text, ok = strings.Cut(text, "): "); !ok {
			continue
		}
		if reasons = append(reasons, strings.TrimSpace(text)); len(reasons) == maxReasons {
			break
		}
	}
	return reasons
}
