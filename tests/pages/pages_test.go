package pages

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v3"

	"tare/internal/cli"
	. "tare/internal/testutil"
)

func TestMain(m *testing.M) { Main(m) }

func TestSnippets_WellFormed(t *testing.T) {
	parse := map[string]func(string) error{
		"toml": func(text string) error { _, err := toml.Decode(text, new(map[string]any)); return err },
		"json": func(text string) error { return json.Unmarshal([]byte(text), new(map[string]any)) },
		"yaml": func(text string) error { return yaml.Unmarshal([]byte(text), new(map[string]any)) },
	}
	seen := map[string]int{}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if parse[b.language] == nil {
				if b.language != "" && b.language != "console" {
					t.Errorf("%s: a block in %q, of which this test knows nothing", p.name, b.language)
				}
				continue
			}
			seen[b.language]++
			if err := parse[b.language](b.text); err != nil {
				t.Errorf("%s: %v in\n%s", p.name, err, b.text)
			}
		}
	}
	if len(seen) != len(parse) {
		t.Errorf("only %v", seen)
	}
}

// All pages name the same files, which are where packages put them, and the same state roots.
func TestSnippets_Path(t *testing.T) {
	known := []string{"/usr/sbin/tare", "/usr/local/sbin/tare", "/run/tare", "/run/crio/tare"}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			for _, word := range strings.FieldsFunc(b.text, func(r rune) bool { return strings.ContainsRune(" \n\"'=,[]", r) }) {
				if strings.HasSuffix(word, "/tare") && strings.HasPrefix(word, "/") && !slices.Contains(known, word) {
					t.Errorf("%s: %s", p.name, word)
				}
			}
		}
	}
}

// The commands and options of tare in the pages are there.
func TestCommands_Tare(t *testing.T) {
	root, seen := cli.Tree(), 0
	for _, p := range pages(t) {
		for _, call := range calls(append(p.commands(), p.inline()...), "tare") {
			seen++
			at := &root
			for _, word := range call {
				option, _, _ := strings.Cut(word, "=")
				switch {
				case strings.HasPrefix(word, "-") && !slices.ContainsFunc(at.Options, func(o cli.Option) bool { return slices.Contains(o.Names, option) }):
					t.Errorf("%s: tare %s: there is no %s", p.name, strings.Join(call, " "), word)
				case strings.HasPrefix(word, "-"):
				default:
					if i := slices.IndexFunc(at.Commands, func(c cli.Command) bool { return c.Name == word }); i >= 0 {
						at = &at.Commands[i]
					}
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d calls of tare", seen)
	}
}

// calls are the words after a program's name, up to the end of the simple command.
func calls(lines []string, program string) (all [][]string) {
	for _, line := range lines {
		line, _, _ = strings.Cut(line, "...")
		for _, part := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune("|;&", r) }) {
			words := strings.Fields(part)
			if len(words) > 0 && words[0] == "exec" || len(words) > 0 && words[0] == "xargs" {
				words = words[1:]
			}
			if len(words) > 0 && filepath.Base(words[0]) == program {
				all = append(all, words[1:])
			}
		}
	}
	return all
}

// The options of the managers in the pages are in their help, where they are installed.
func TestCommands_Managers(t *testing.T) {
	for _, program := range []string{"podman", "buildah", "ctr", "docker", "dockerd"} {
		t.Run(program, func(t *testing.T) {
			NeedProgram(t, program)
			help := helper(t, program)
			seen := 0
			for _, p := range pages(t) {
				for _, call := range calls(append(p.commands(), p.inline()...), program) {
					known := append(help(), help(commandOf(call)...)...)
					for _, word := range call {
						option, _, _ := strings.Cut(word, "=")
						if !strings.HasPrefix(option, "-") {
							continue
						}
						seen++
						for _, o := range apart(option) {
							if !slices.Contains(known, o) {
								t.Errorf("%s: %s %s: there is no %s", p.name, program, strings.Join(call, " "), o)
							}
						}
					}
				}
			}
			if seen == 0 {
				t.Error("no page has an option of it")
			}
		})
	}
}

// commandOf is the command in a call, of one word or, where others are below it, of two.
func commandOf(call []string) (command []string) {
	for _, word := range call {
		if strings.HasPrefix(word, "-") || strings.HasPrefix(word, "/") {
			continue
		}
		command = append(command, word)
		if len(command) == 2 || word != "system" && word != "container" {
			break
		}
	}
	return command
}

// apart are the options in one word: -aq is two.
func apart(option string) (all []string) {
	if strings.HasPrefix(option, "--") || len(option) == 2 {
		return []string{option}
	}
	for _, letter := range option[1:] {
		all = append(all, "-"+string(letter))
	}
	return all
}

// helper gives the options in the help of a manager's command. Each is asked once.
func helper(t *testing.T, program string) func(command ...string) []string {
	home, asked := Dir(t), map[string][]string{}
	return func(command ...string) []string {
		name := strings.Join(command, " ")
		if asked[name] == nil {
			cmd := exec.Command(program, append(command, "--help")...)
			cmd.Env = append(os.Environ(), "HOME="+home, "TERM=dumb")
			out := Do(t, cmd)
			asked[name] = strings.FieldsFunc(out.Stdout+out.Stderr, func(r rune) bool { return strings.ContainsRune(" \n\t,=", r) })
		}
		return asked[name]
	}
}

// Links within the pages, and to the other docs, lead to a file and a heading.
func TestLinks(t *testing.T) {
	for _, p := range pages(t) {
		for i, piece := range strings.Split(p.text, "](") {
			target, _, ok := strings.Cut(piece, ")")
			if i == 0 || !ok || strings.HasPrefix(target, "http") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			if file == "" {
				file = p.name
			}
			text, err := os.ReadFile(filepath.Join(managers, file))
			if err != nil {
				t.Errorf("%s: a link to %s: %v", p.name, target, err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(string(text)), anchor) {
				t.Errorf("%s: a link to %s: no such heading", p.name, target)
			}
		}
	}
}

// anchors are the names that GitHub gives to a page's headings.
func anchors(text string) (all []string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			continue
		}
		title := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '_':
				return r
			}
			return -1
		}, title))
	}
	return all
}
