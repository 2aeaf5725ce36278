package terminal

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

func TestMain(m *testing.M) { Main(m) }

// ways are the two commands that can show a container's terminal on the caller's. Each leads from the host's prompt to
// one of a shell in the container, "box> ".
var ways = map[string]func(*screen, *Container){
	"run": func(s *screen, c *Container) {
		s.enters(command(c, "run", "--bundle", c.Dir, c.ID))
	},
	"exec": func(s *screen, c *Container) {
		c.Spec.Process.Terminal = false
		c.Spec.Process.Args = []string{"/busybox", "sleep", "1000"}
		c.WriteSpec(s.t)
		c.Create()
		c.Start()
		s.enters(command(c, "exec", "--tty", c.ID, "/busybox", "sh"))
	},
}

func command(c *Container, words ...string) string {
	return strings.Join(append([]string{Runtime(), "--root", c.Root}, words...), " ")
}

// onBoth runs a test with a screen on which a shell in a container waits for input.
func onBoth(t *testing.T, test func(*testing.T, *screen, *Container)) {
	NeedRoot(t)
	for name, enter := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newShell(t)
			s := newScreen(t)
			enter(s, c)
			s.prompts("box>")
			test(t, s, c)
		})
	}
}

// newShell makes a container whose root file system is a busybox.
func newShell(t *testing.T) *Container {
	t.Helper()
	c := NewContainer(t, WritableRoot, Terminal, func(s *specs.Spec) {
		s.Process.Args = []string{"/busybox", "sh"}
		s.Process.Env = append(s.Process.Env, "PS1=box> ", "PATH=/bin")
	})
	bin := filepath.Join(c.RootFS, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(NeedProgram(t, "busybox"))
	if err != nil {
		t.Fatal(err)
	}
	c.WriteFile(t, "busybox", string(program), 0o755)
	for _, name := range []string{"sh", "stty", "vi", "cat", "sleep", "seq", "clear", "tty"} {
		c.Symlink(t, "/busybox", "bin/"+name)
	}
	return c
}

func TestTerminal_Resize(t *testing.T) {
	t.Parallel()
	onBoth(t, func(_ *testing.T, s *screen, _ *Container) {
		s.enters("stty size")
		s.shows("24 80")
		s.resize(30, 100)
		Eventually(s.t, "the new size", func() bool {
			s.enters("stty size")
			return strings.Contains(s.text(), "30 100")
		})
	})
}

func TestTerminal_Interrupt(t *testing.T) {
	t.Parallel()
	onBoth(t, func(_ *testing.T, s *screen, _ *Container) {
		s.enters("sh -c 'echo a $((1 + 1))nd shell; sleep 1000'")
		s.shows("a 2nd shell") // before that, C-c may meet the shell's line editor
		s.types("C-c")
		s.shows("^C")
		s.enters("echo still $((40 + 2))")
		s.shows("still 42")
	})
}

func TestTerminal_JobControl(t *testing.T) {
	t.Parallel()
	onBoth(t, func(_ *testing.T, s *screen, _ *Container) {
		s.enters("sh -c 'echo a $((1 + 1))nd shell; exec cat'")
		s.shows("a 2nd shell") // before that, what is typed may meet the shell's line editor
		s.enters("mirror")
		s.shows("mirror\nmirror")
		s.types("C-z")
		s.shows("Stopped")
		s.clear()
		s.enters("fg")
		s.shows("exec cat")
		s.enters("again")
		s.shows("again\nagain")
		s.types("C-d")
		s.enters("echo at the $((1 + 1))nd prompt")
		s.shows("at the 2nd prompt")
	})
}

// A full-screen program draws, edits, saves, and follows the window.
func TestTerminal_FullScreen(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *screen, c *Container) {
		s.enters("vi /tmp/letter")
		s.shows("- /tmp/letter")
		s.types("-l", "iDear reader")
		s.types("Escape")
		s.shows("- /tmp/letter [Modified]") // what comes within 50 ms belongs to the Escape
		s.resize(12, 60)
		Eventually(t, "the status line at the new bottom", func() bool {
			lines := strings.Split(strings.TrimRight(s.text(), "\n"), "\n")
			return len(lines) == 12 && strings.Contains(lines[11], "/tmp/letter")
		})
		s.enters(":wq")
		s.prompts("box>")
		Eventually(t, "the letter", func() bool {
			text, err := os.ReadFile(filepath.Join(c.RootFS, "tmp/letter"))
			return err == nil && strings.Contains(string(text), "Dear reader")
		})
	})
}

// All that was printed is on the screen before the prompt, however fast the program ended.
func TestTerminal_Drain(t *testing.T) {
	t.Parallel()
	onBoth(t, func(_ *testing.T, s *screen, _ *Container) {
		s.enters("clear; exec seq 1 20000")
		s.shows("19999\n20000\n")
		s.prompts("host>")
	})
}

func TestTerminal_ExitCode(t *testing.T) {
	t.Parallel()
	onBoth(t, func(_ *testing.T, s *screen, _ *Container) {
		s.enters("exit 7")
		s.prompts("host>")
		s.enters("echo code $?")
		s.shows("code 7")
	})
}

// Whatever ends the workload or the runtime, the terminal is the shell's again: it echoes, and its settings are what they were.
func TestTerminal_Restored(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *screen, *Container){
		"exit":                   func(_ *testing.T, s *screen, _ *Container) { s.enters("exit") },
		"workload killed":        workloadKilled,
		"runtime terminated":     forwarded(unix.SIGTERM),
		"runtime hung up":        forwarded(unix.SIGHUP),
		"workload in raw mode":   func(_ *testing.T, s *screen, _ *Container) { s.enters("stty raw -echo; exit") },
		"container deleted":      func(_ *testing.T, _ *screen, c *Container) { c.Tare("delete", "--force", c.ID) },
		"runtime quit":           forwarded(unix.SIGQUIT),
		"workload's own kill -9": func(_ *testing.T, s *screen, _ *Container) { s.enters("kill -9 $$; exit") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for way, enter := range ways {
				t.Run(way, func(t *testing.T) {
					t.Parallel()
					NeedRoot(t)
					c, s := newShell(t), newScreen(t)
					before := settings(s)
					enter(s, c)
					s.prompts("box>")
					end(t, s, c)
					s.prompts("host>")
					if after := settings(s); after != before {
						t.Errorf("the terminal was\n%s\nand is\n%s", before, after)
					}
				})
			}
		})
	}
}

// settings are those of the screen's terminal, asked for by typing.
func settings(s *screen) string {
	s.t.Helper()
	file := filepath.Join(Dir(s.t), "settings")
	s.enters("stty -a > " + file + "; echo settings $((1 + 1))")
	s.shows("settings 2")
	s.clear()
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// workloadKilled ends the shell in the container from the host.
func workloadKilled(t *testing.T, _ *screen, c *Container) {
	kill(t, c, unix.SIGKILL, func(p Proc) bool { return strings.HasPrefix(p.Cmdline, "/busybox sh") })
}

// forwarded has the runtime pass a signal to a shell that ends of it.
func forwarded(sig unix.Signal) func(*testing.T, *screen, *Container) {
	return func(t *testing.T, s *screen, c *Container) {
		s.enters("trap 'exit 3' HUP QUIT TERM; echo $((1 + 1)) traps")
		s.shows("2 traps")
		kill(t, c, sig, func(p Proc) bool { return strings.HasPrefix(p.Cmdline, Runtime()) })
		Eventually(t, "the host's prompt", func() bool {
			s.types("Enter") // a shell that reads a line runs its traps after it
			return strings.HasSuffix(strings.TrimSpace(s.text()), "host>")
		})
	}
}

func kill(t *testing.T, c *Container, sig unix.Signal, is func(Proc) bool) {
	t.Helper()
	all := Processes(t, c.ID)
	i := slices.IndexFunc(all, is)
	if i < 0 {
		t.Fatalf("not there: %v", all)
	}
	if err := unix.Kill(all[i].PID, sig); err != nil {
		t.Errorf("%v: %v", all[i], err)
	}
}
