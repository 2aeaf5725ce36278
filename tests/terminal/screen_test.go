package terminal

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// A screen is a terminal of 80 columns and 24 rows with a shell of the host's, whose prompt is "host> ".
type screen struct {
	t      testing.TB
	socket string
}

func newScreen(t testing.TB) *screen {
	t.Helper()
	NeedProgram(t, "tmux")
	s := &screen{t: t, socket: filepath.Join(Dir(t), "tmux")}
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "env", "PS1=host> ", "sh")
	server, err := strconv.Atoi(strings.TrimSpace(s.tmux("display-message", "-p", "#{pid}")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.tmux("kill-server")
		Eventually(t, "the end of tmux's server", func() bool { // it has become our child
			pid, err := unix.Wait4(server, nil, unix.WNOHANG, nil)
			return pid == server || err != nil
		})
	})
	s.prompts("host>")
	return s
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// types presses keys: texts, and keys that tmux has names for, as C-c, Enter.
func (s *screen) types(keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys"}, keys...)...)
}

// enters types a line.
func (s *screen) enters(line string) {
	s.t.Helper()
	s.types("-l", line)
	s.types("Enter")
}

func (s *screen) text() string {
	s.t.Helper()
	return s.tmux("capture-pane", "-p") // without the blanks at the ends of lines
}

// shows waits until the screen has the text.
func (s *screen) shows(text string) {
	s.t.Helper()
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the screen:\n%s", s.text())
		}
	}()
	Eventually(s.t, fmt.Sprintf("%q on the screen", text), func() bool { return strings.Contains(s.text(), text) })
}

// prompts waits until the last thing on the screen is that prompt.
func (s *screen) prompts(prompt string) {
	s.t.Helper()
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the screen:\n%s", s.text())
		}
	}()
	Eventually(s.t, "the prompt "+prompt, func() bool {
		return strings.HasSuffix(strings.TrimSpace(s.text()), prompt)
	})
}

// clear empties the screen, so that what is waited for next is new.
func (s *screen) clear() {
	s.t.Helper()
	s.enters("clear")
	Eventually(s.t, "an empty screen", func() bool { return len(strings.Fields(s.text())) == 1 })
}

func (s *screen) resize(rows, cols int) {
	s.t.Helper()
	s.tmux("resize-window", "-x", fmt.Sprint(cols), "-y", fmt.Sprint(rows))
}
