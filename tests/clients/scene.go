package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A scene is what one feature is played in: it runs commands, keeps what they said, and ends at the first thing that is not as it should
// be. All its methods that fail end the goroutine of the feature, as those of testing.T do.
type scene struct {
	ctx     context.Context
	client  string
	runtime ociRuntime
	dir     string   // of the client with this runtime: state, sockets, images. Shared by its features
	env     []string // of all commands; nil: the program's own
	within  []string // the words that execute all commands; nil: they are executed as they are
	slow    int      // what times are to be multiplied by: an emulated machine is slower

	mu       sync.Mutex
	record   bytes.Buffer // the commands and what they said
	outcome  outcome
	reason   string
	remark   string             // what else there is to say
	figures  map[string]float64 // what was measured, in seconds
	cleanups []func()
}

// A said is what became of a command.
type said struct {
	line           string // the command
	stdout, stderr string
	code           int // -1: it could not be started, or was ended by the scene's deadline
}

func (a said) String() string {
	return fmt.Sprintf("%s: exit code %d, stdout %q, stderr %q", a.line, a.code, a.stdout, a.stderr)
}

// play runs the feature in a goroutine of its own and waits for its end and that of its clean-ups.
func (s *scene) play(do func(*scene)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer s.clean()
		defer func() {
			if p := recover(); p != nil {
				s.outcome, s.reason = failed, fmt.Sprintf("the test panicked: %v", p)
			}
		}()
		do(s)
		if s.outcome == "" {
			s.outcome = passed
		}
	}()
	<-done
}

// clean does what cleanup was asked for, the last first, with a context that has not ended.
func (s *scene) clean() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), time.Minute*time.Duration(s.slow))
	defer cancel()
	s.ctx = ctx
	for len(s.cleanups) > 0 {
		last := s.cleanups[len(s.cleanups)-1]
		s.cleanups = s.cleanups[:len(s.cleanups)-1]
		last()
	}
}

// cleanup has do called at the end of the scene, whatever its outcome. do must use try, not must.
func (s *scene) cleanup(do func()) { s.cleanups = append(s.cleanups, do) }

func (s *scene) failf(format string, args ...any) {
	s.end(failed, fmt.Sprintf(format, args...))
}

// skipf is for what this machine cannot show, whichever the runtime.
func (s *scene) skipf(format string, args ...any) {
	s.end(skipped, fmt.Sprintf(format, args...))
}

func (s *scene) end(o outcome, reason string) {
	if errors.Is(s.ctx.Err(), context.DeadlineExceeded) {
		reason = "the time of the feature was over: " + reason
	}
	s.outcome, s.reason = o, reason
	s.logf("%s: %s", o, reason)
	runtime.Goexit()
}

func (s *scene) logf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.record, format+"\n", args...)
}

// measure notes how long something took, for the table of times.
func (s *scene) measure(what string, took time.Duration) {
	if s.figures == nil {
		s.figures = map[string]float64{}
	}
	s.figures[what] = took.Seconds()
}

// remarkf is for what the mark of a cell does not say, and the document should.
func (s *scene) remarkf(format string, args ...any) {
	s.remark = fmt.Sprintf(format, args...)
	s.logf("%s", s.remark)
}

// try runs a command to its end.
func (s *scene) try(args ...string) said { return s.feed("", args...) }

// feed is try with text on the command's standard input.
func (s *scene) feed(input string, args ...string) said {
	return s.pour(strings.NewReader(input), args...)
}

func (s *scene) pour(input io.Reader, args ...string) said {
	cmd := s.command(args...)
	cmd.Stdin = input
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	a := said{line: strings.Join(args, " "), stdout: out.String(), stderr: errs.String(), code: cmd.ProcessState.ExitCode()}
	if err != nil && a.code == -1 {
		a.stderr += err.Error()
	}
	s.logf("$ %s\n%s%s[%d]", a.line, a.stdout, a.stderr, a.code)
	return a
}

// must is try for a command that has to succeed; it gives its standard output without the last newline.
func (s *scene) must(args ...string) string {
	a := s.try(args...)
	if a.code != 0 {
		s.failf("%v", a)
	}
	return strings.TrimSuffix(a.stdout, "\n")
}

// code is try for a command that has to end with the code, and gives what it said.
func (s *scene) code(want int, args ...string) said {
	a := s.try(args...)
	if a.code != want {
		s.failf("want exit code %d: %v", want, a)
	}
	return a
}

// terminal is try with a terminal of the given size as the command's standard streams; what comes out of it is stdout.
func (s *scene) terminal(rows, columns int, args ...string) said {
	line := fmt.Sprintf("stty rows %d cols %d; exec %s", rows, columns, quoted(args))
	r, w, err := os.Pipe() // without an end: script(1) would type one into the terminal
	if err != nil {
		s.failf("%v", err)
	}
	defer r.Close()
	defer w.Close()
	a := s.pour(r, "script", "--quiet", "--return", "--command", line, "/dev/null")
	a.stdout = strings.ReplaceAll(a.stdout, "\r", "") // two where a line has passed two terminals
	return a
}

// sized is a shell's line for a container: it waits until its terminal has a size, which managers set when the program runs already, and
// prints what it has.
func sized(rows, columns int) string {
	return fmt.Sprintf(`i=0; until [ "$(stty size)" = "%d %d" ] || [ $i = 200 ]; do i=$((i + 1)); sleep 0.1; done; stty size`, rows, columns)
}

// command is what the scene's commands are made by: its environment, its deadline, and a process group that ends with it.
func (s *scene) command(args ...string) *exec.Cmd {
	args = slices.Concat(s.within, args)
	cmd := exec.CommandContext(s.ctx, args[0], args[1:]...)
	cmd.Env = s.env
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// want fails unless the text is as wanted.
func (s *scene) want(what, got, want string) {
	if got != want {
		s.failf("%s: got %q, want %q", what, got, want)
	}
}

// contains fails unless the text holds all the parts.
func (s *scene) contains(what, got string, parts ...string) {
	for _, p := range parts {
		if !strings.Contains(got, p) {
			s.failf("%s: %q is not in %q", what, p, got)
		}
	}
}

// eventually asks until there is no error, for at most 20 s on an ordinary machine.
func (s *scene) eventually(what string, ask func() error) {
	end := time.Now().Add(20 * time.Second * time.Duration(s.slow))
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(end) || s.ctx.Err() != nil {
			s.failf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// write makes a file in the scene's directory and gives its path.
func (s *scene) write(name, content string, mode os.FileMode) string {
	path := s.dir + "/" + name
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		s.failf("%v", err)
	}
	return path
}

// quoted makes one line for a shell of the words.
func quoted(words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("'" + strings.ReplaceAll(w, "'", `'\''`) + "'")
	}
	return b.String()
}
