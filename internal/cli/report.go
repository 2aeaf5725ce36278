package cli

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"tare/internal/logx"
	"tare/internal/sys"
)

// logTarget is where records go.
type logTarget struct {
	opened bool
	file   *os.File     // of --log; nil: standard error
	logger *slog.Logger // nil until opened, and where errors go to standard error as plain text
}

// openLog opens what --log names and makes it the program's logger. The file is made even if nothing will be written
// to it: a path that cannot be opened must be an error before anything is done, not after.
//
// Below level error nothing is logged unless --debug asks for it. Podman decodes the whole file of a failed command as
// one JSON value, so one warning before the error would hide the error.
func (a *app) openLog() error {
	if a.log.opened {
		return nil
	}
	a.log.opened = true
	if err := a.global.check(); err != nil {
		return err
	}
	format, err := logx.ParseFormat(a.global.logFormat)
	if err != nil {
		return err
	}
	out := a.stderr
	if a.global.log != "" {
		f, err := sys.OpenLogFile(a.global.log)
		if err != nil {
			return fmt.Errorf("--log: %w", err)
		}
		a.log.file, out = f, f
	}
	o := logx.Options{Format: format, Level: slog.LevelError}
	if a.global.debug {
		o.Level, o.Source = slog.LevelDebug, true
	}
	logger := slog.New(logx.New(out, o))
	slog.SetDefault(logger)
	if a.log.file != nil || a.global.debug || a.global.logFormat != "" {
		a.log.logger = logger
	}
	return nil
}

// debug records which command begins, for --debug.
func (a *app) debug(c *cli.Command) {
	if a.global.debug {
		slog.Debug("command "+c.Name, "args", c.Args().Slice(), "version", programVersion())
	}
}

// warn takes what is no error. It is seen with --debug only, see openLog.
func warn(text string) { slog.Warn(text) }

// warnPlainly is warn for what a person has to see without --debug, too: on standard error, once.
func (a *app) warnPlainly(text string) {
	warn(text)
	if !a.global.debug || a.log.file != nil {
		a.printError(a.name + ": " + text)
	}
}

// report tells err, if there is one, to the log and to standard error, and returns the exit code.
//
// With --log both get it: containerd and Podman read the file, but look at standard error for the errors of kill and
// delete. Without it a person gets a plain line, unless a record was asked for with --log-format or --debug.
func (a *app) report(err error) int {
	if err == nil {
		return a.exitCode
	}
	err = a.elsewhere(err)
	msg := err.Error()
	// A usage error among the global options comes before the log is open. If opening fails too, the first error counts.
	_ = a.openLog()
	if a.log.logger != nil {
		a.log.logger.Error(msg)
	}
	switch {
	case a.log.file != nil:
		a.printError(msg)
	case a.log.logger == nil:
		if !strings.HasPrefix(msg, a.name+" ") && !strings.HasPrefix(msg, a.name+":") {
			msg = a.name + ": " + msg
		}
		a.printError(msg)
	}
	return exitCode(err)
}

// printError writes msg as one line by one write, so that it does not mix with what others write there.
func (a *app) printError(msg string) {
	fmt.Fprint(a.stderr, oneLine(msg)+"\n")
}

// oneLine makes msg safe to show: an error can quote what a container or a config chose, terminal escapes included.
func oneLine(msg string) string {
	msg = strings.TrimRight(msg, "\n")
	if strings.IndexFunc(msg, isControl) < 0 {
		return msg
	}
	var b strings.Builder
	for _, r := range msg {
		switch {
		case r == '\n':
			b.WriteString("; ")
		case r == '\t':
			b.WriteByte(' ')
		case isControl(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isControl(r rune) bool {
	return r < 0x20 || 0x7f <= r && r < 0xa0
}
