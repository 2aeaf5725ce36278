package main

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"strings"
	"text/template"

	"tare/internal/cli"
)

//go:generate go run -tags urfave_cli_no_template .

//go:embed *.tmpl
var templates embed.FS

// files are the completions and what they are made from.
func files() map[string]string {
	return map[string]string{"tare.bash": "bash.tmpl", "_tare": "zsh.tmpl", "tare.fish": "fish.tmpl"}
}

func main() {
	for name, from := range files() {
		text, err := generate(from)
		if err == nil {
			err = os.WriteFile(name, text, 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "completions:", err)
			os.Exit(1)
		}
	}
}

// generate fills a template in.
func generate(name string) ([]byte, error) {
	root, commands, err := resolve(cli.Tree())
	if err != nil {
		return nil, err
	}
	t, err := template.New(name).Funcs(template.FuncMap{
		"join":  strings.Join,
		"last":  func(name string) string { return name[strings.LastIndexByte(name, ' ')+1:] },
		"zsh":   zshText,
		"fish":  fishText,
		"under": func(name string) string { return strings.ReplaceAll(name, " ", "_") },
		"inc":   func(i int) int { return i + 1 },
	}).ParseFS(templates, name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		Root     *command
		Commands []*command
		Only     string
		Signals  string
	}{root, commands, strings.Join(onlyArgs(commands), " | "), strings.Join(signals(), " ")})
	return b.Bytes(), err
}

// onlyArgs are the commands after whose first argument nothing is an option of theirs.
func onlyArgs(commands []*command) (names []string) {
	for _, c := range commands {
		if c.Only && len(c.Below) == 0 {
			names = append(names, c.Name)
		}
	}
	return names
}

// zshText is a text between single quotes, within the brackets of an _arguments specification.
func zshText(s string) string {
	return strings.NewReplacer(`'`, `'\''`, `[`, `\[`, `]`, `\]`, `:`, `\:`).Replace(s)
}

// fishText is a text between single quotes.
func fishText(s string) string {
	return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s)
}
