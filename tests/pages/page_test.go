package pages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const managers = "../../docs/managers"

// page is a page of docs/managers.
type page struct {
	name, text string
	blocks     []block
}

// block is a stretch of code in a page.
type block struct {
	language string // of a fenced one; empty: an indented line, to be typed into a shell
	text     string
}

func pages(t *testing.T) (all []*page) {
	t.Helper()
	files, err := filepath.Glob(managers + "/*.md")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d pages: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &page{filepath.Base(file), string(text), blocks(string(text))})
	}
	return all
}

func blocks(text string) (all []block) {
	var fenced *block
	for line := range strings.Lines(text) {
		language, fence := strings.CutPrefix(line, "```")
		code, indented := strings.CutPrefix(line, "    ")
		switch {
		case fence && fenced == nil:
			fenced = &block{language: strings.TrimSpace(language)}
		case fence:
			all = append(all, *fenced)
			fenced = nil
		case fenced != nil:
			fenced.text += line
		case indented:
			all = append(all, block{text: code})
		}
	}
	return all
}

// of gives the page's blocks in that language.
func (p *page) of(language string) (texts []string) {
	for _, b := range p.blocks {
		if b.language == language {
			texts = append(texts, b.text)
		}
	}
	return texts
}

// commands are what a page has people type: after the prompt of a console, and in indented lines.
func (p *page) commands() (all []string) {
	for _, b := range p.blocks {
		for line := range strings.Lines(b.text) {
			line = strings.TrimSuffix(line, "\n")
			typed, ok := strings.CutPrefix(line, "# ")
			if !ok {
				typed, ok = strings.CutPrefix(line, "$ ")
			}
			if b.language == "console" && ok {
				all = append(all, typed)
			} else if b.language == "" {
				all = append(all, line)
			}
		}
	}
	return all
}

// inline are the pieces of code in a page's sentences.
func (p *page) inline() (all []string) {
	prose := p.text
	for _, language := range []string{"toml", "json", "yaml", "console"} {
		for _, text := range p.of(language) {
			prose = strings.ReplaceAll(prose, "```"+language+"\n"+text+"```", "")
		}
	}
	for i, piece := range strings.Split(prose, "`") {
		if i%2 == 1 {
			all = append(all, strings.ReplaceAll(piece, "\n", " "))
		}
	}
	return all
}
