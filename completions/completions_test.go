package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tare/internal/cli"
	. "tare/internal/testutil"
)

func TestMain(m *testing.M) { Main(m) }

// The files in the tree are what the program's command line makes of the templates.
func TestFiles_UpToDate(t *testing.T) {
	for name, from := range files() {
		want, err := generate(from)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the program has now: go generate ./completions", name)
		}
	}
}

func TestBash_ShellCheck(t *testing.T) {
	out, err := exec.Command(NeedProgram(t, "shellcheck"), "--shell=bash", "tare.bash").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What is new on a help page is an error here, until kind.go says what completes it.
func TestResolve_Unknown(t *testing.T) {
	for _, c := range []cli.Command{
		{Name: "list", Options: []cli.Option{{Names: []string{"--colour"}, Value: "COLOUR"}}},
		{Name: "list", Options: []cli.Option{{Names: []string{"--format"}, Value: "FORMAT", Usage: "FORMAT is table or xml"}}},
		{Name: "list", Args: []string{"PLANET"}},
	} {
		if _, _, err := resolve(cli.Command{Commands: []cli.Command{c}}); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

// The words that are offered for a value are taken by the program, and no others.
func TestChoices(t *testing.T) {
	c := NewContainer(t)
	for _, word := range []string{"text", "json"} {
		c.Tare("--log-format", word, "features").OK(t)
		c.Tare("check", "--config-only", "--format", word, c.Dir).OK(t)
	}
	c.Tare("--log-format", "table", "features").Exit(t, 1)
	for _, word := range []string{"true", "false", "auto"} {
		c.Tare("--rootless", word, "features").OK(t)
	}
	for _, arch := range architectures() {
		if out := c.Tare("seccomp", "diff", "--arch", arch, "/nonexistent", "/nonexistent").Stderr; strings.Contains(out, "--arch") {
			t.Errorf("%s: %s", arch, out)
		}
	}
	for _, signal := range signals() {
		c.Tare("kill", "nobody", signal).Fails(t, "does not exist")
	}
}

// A completer gives what a shell offers for a line.
type completer func(line string) []string

// shells start a shell with the completion loaded, and tare in dir first on its PATH.
var shells = map[string]func(t *testing.T, dir string) completer{"bash": bash, "zsh": zsh, "fish": fish}

func TestCompletion(t *testing.T) {
	NeedRoot(t)
	c := NewContainer(t)
	c.Create()
	other := c.Another()
	other.Create()
	there := []string{c.ID, other.ID}
	bin, bundles := Dir(t), Dir(t)
	CopyRuntime(t, filepath.Join(bin, "tare"))
	spaced := filepath.Join(bundles, "with space")
	for _, dir := range []string{"web", "db"} {
		if err := os.MkdirAll(filepath.Join(bundles, "in", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(bundles, "in", "config.json"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(c.Root, spaced); err != nil {
		t.Fatal(err)
	}
	in := bundles + "/in/"
	for name, start := range shells {
		t.Run(name, func(t *testing.T) {
			NeedProgram(t, name)
			offers := start(t, bin)
			for _, tt := range []struct {
				line string
				want []string
			}{
				{"tare del", []string{"delete"}},
				{"tare re", []string{"restore", "resume"}},
				{"tare restore --manage-cgroups-mode s", []string{"soft", "strict"}},
				{"tare checkpoint --empty-ns ", []string{"network"}},
				{"tare restore --image-path " + in, []string{"db", "web"}},
				{"tare --root " + c.Root + " checkpoint ", there},
				{"tare --root " + c.Root + " restore ", nil},
				{"tare --ro", []string{"--root", "--rootless"}},
				{"tare --log-format ", []string{"json", "text"}},
				{"tare --log-format=", []string{"json", "text"}},
				{"tare --debug --rootless=t", []string{"true"}},
				{"tare run --bundle " + in, []string{"db", "web"}},
				{"tare run --bundle=" + in + "w", []string{"web"}},
				{"tare create -b " + in, []string{"db", "web"}},
				{"tare --root " + in, []string{"db", "web"}},
				{"tare check " + in, []string{"config.json", "db", "web"}},
				{"tare check --strict " + in + "conf", []string{"config.json"}},
				{"tare exec --process " + in + "conf", []string{"config.json"}},
				{"tare --root " + c.Root + " delete ", there},
				{"tare --root=" + c.Root + " delete --force ", there},
				{"tare --root '" + spaced + "' state ", there},
				{"tare --root " + c.Root + " pause " + c.ID[:3], there},
				{bin + "/tare --root " + c.Root + " --debug start ", there},
				{"tare --root " + c.Root + " exec --env A=B --user 1:2 --tty " + other.ID, []string{other.ID}},
				{"tare --root " + in + "web state ", nil},
				{"tare --root " + bundles + "/nothing state ", nil},
				{"tare --root $(touch${IFS}" + bundles + "/evil) state ", nil},
				{"tare --root " + c.Root + " run ", nil},
				{"tare --root " + c.Root + " create --no-pivot ", nil},
				{"tare --root " + c.Root + " exec " + c.ID + " ", nil},
				{"tare --root " + c.Root + " exec " + c.ID + " ls --", nil},
				{"tare --root " + c.Root + " kill " + c.ID + " TER", []string{"TERM"}},
				{"tare --root " + c.Root + " kill --all " + c.ID + " W", []string{"WINCH"}},
				{"tare kill web SIGTE", []string{"SIGTERM"}},
				{"tare kill web SIGS", []string{"SIGSEGV", "SIGSTKFLT", "SIGSTOP", "SIGSYS"}},
				{"tare exec --pro", []string{"--process", "--process-label"}},
				{"tare exec --cap CAP_NET_", []string{"CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_RAW"}},
				{"tare exec --cwd /", nil},
				{"tare update --memory ", nil},
				{"tare list --format=", []string{"json", "table"}},
				{"tare list -f t", []string{"table"}},
				{"tare help upd", []string{"update"}},
				{"tare seccomp ", []string{"diff", "show"}},
				{"tare seccomp show --arch ris", []string{"riscv64"}},
				{"tare seccomp diff " + in + "conf", []string{"config.json"}},
				{"tare frobnicate ", nil},
			} {
				if got := offers(tt.line); !slices.Equal(got, tt.want) {
					t.Errorf("%s\n\toffers %q, want %q", tt.line, got, tt.want)
				}
			}
			if name != "zsh" { // which takes an option once, with two dashes, and offers options where it has nothing better
				for _, line := range []string{"tare -root " + c.Root + " state ", "tare --root " + in + " --root " + c.Root + " state "} {
					if got := offers(line); !slices.Equal(got, there) {
						t.Errorf("%s\n\toffers %q, want %q", line, got, there)
					}
				}
				if got := offers("tare --root " + c.Root + " state " + c.ID + " "); got != nil {
					t.Errorf("a second id: %q", got)
				}
			}
			var commands []string
			for _, sub := range cli.Tree().Commands {
				commands = append(commands, sub.Name)
			}
			slices.Sort(commands)
			if got := offers("tare "); !slices.Equal(got, commands) {
				t.Errorf("commands: %q, want %q", got, commands)
			}
			for _, sub := range cli.Tree().Commands {
				for _, o := range sub.Options {
					if got := offers("tare " + sub.Name + " " + o.Names[0][:len(o.Names[0])-1]); !slices.Contains(got, o.Names[0]) {
						t.Errorf("%s: %q, want %s", sub.Name, got, o.Names[0])
					}
				}
			}
			if _, err := os.Stat(bundles + "/evil"); err == nil {
				t.Error("a word of the line was executed")
			}
		})
	}
}

// offered makes the words that a shell inserted, or listed, comparable: the last parts of paths, values without their option.
func offered(words []string) (all []string) {
	for _, w := range words {
		w = strings.TrimSuffix(w, "/")
		if strings.HasPrefix(w, "-") {
			if _, value, ok := strings.Cut(w, "="); ok && value != "" {
				w = value
			}
			w = strings.TrimSuffix(w, "=")
		}
		if strings.Contains(w, "/") {
			w = filepath.Base(w)
		}
		all = append(all, w)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// fish can be asked.
func fish(t *testing.T, dir string) completer {
	return func(line string) []string {
		cmd := exec.Command("fish", "--no-config", "-c", "source tare.fish; complete -C $argv[1]", line)
		cmd.Env = environment(dir, Dir(t))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("fish: %v", err)
		}
		var words []string
		for l := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSuffix(l, "\n"), "\t")
			words = append(words, word)
		}
		return offered(words)
	}
}

func environment(bin, home string) []string {
	return []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "ZDOTDIR=" + home, "TERM=dumb", "LC_ALL=C.UTF-8", "HISTFILE=/dev/null"}
}

// Bash and zsh complete only for a person at a terminal. Both insert all that they offer into the line at one key, and print
// the line at another.
const (
	keyAll  = "\x1b*"
	keyLine = "\x07" // ^G
)

func bash(t *testing.T, dir string) completer {
	home := Dir(t)
	write(t, filepath.Join(home, "rc"), `
PS1='ready> ' PS2=
bind 'set bell-style none'
bind 'set enable-bracketed-paste off'
bind '"\e*": insert-completions'
bind '"\C-u": kill-whole-line'
bind -x '"\C-g": printf "<<%s>>" "$READLINE_LINE"'
source tare.bash
`)
	return atTerminal(t, exec.Command("bash", "--noprofile", "--rcfile", filepath.Join(home, "rc"), "-i"), environment(dir, home))
}

func zsh(t *testing.T, dir string) completer {
	home := Dir(t)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, ".zshrc"), `
PS1='ready> '
fpath=(`+here+` $fpath)
autoload -Uz compinit
compinit -D -u
unsetopt beep
bindkey -e
zle -C all complete-word _generic
bindkey '^[*' all
zstyle ':completion:*' completer _all_matches _complete
zstyle ':completion:*' insert true
show() { printf '<<%s>>' "$BUFFER" }
zle -N show
bindkey '^G' show
bindkey '^U' kill-whole-line
`)
	return atTerminal(t, exec.Command("zsh", "-d", "-i"), environment(dir, home))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// atTerminal gives a shell a terminal, and types.
func atTerminal(t *testing.T, cmd *exec.Cmd, env []string) completer {
	master, slave := OpenPTY(t, 50, 4000)
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	Begin(t, cmd)
	t.Cleanup(func() {
		master.Close()
		cmd.Process.Kill()
		Finish(t, cmd)
	})
	Expect(t, master, "ready> ")
	return func(line string) []string {
		if _, err := master.WriteString("\x15" + line + keyAll + keyLine); err != nil {
			t.Fatal(err)
		}
		Expect(t, master, "<<")
		after := strings.TrimSuffix(Expect(t, master, ">>"), ">>")
		if after == line {
			return nil
		}
		head := strings.LastIndexByte(line, ' ') + 1
		if len(after) < head {
			t.Fatalf("%q became %q", line, after)
		}
		return offered(strings.Fields(after[head:]))
	}
}
