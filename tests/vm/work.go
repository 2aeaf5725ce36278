package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// work is the tree that becomes the guest's work disk, mounted on /t there. Its folder .vm tells guest/run what to do:
// the script prepare, then the script job, or a shell if the file shell exists.
type work struct {
	dir  string // temporary directory of this run, with the disks in it
	tree string
}

// newWork makes the tree and puts the files of -add and -bin into it. The caller must remove it.
func newWork(o *options) (*work, error) {
	dir, err := os.MkdirTemp("", "tare-vm-*")
	if err != nil {
		return nil, err
	}
	w := &work{dir: dir, tree: filepath.Join(dir, "t")}
	if err := w.fill(o); err != nil {
		w.remove()
		return nil, err
	}
	return w, nil
}

func (w *work) remove() { os.RemoveAll(w.dir) }

func (w *work) fill(o *options) error {
	if err := os.MkdirAll(filepath.Join(w.tree, ".vm/add"), 0o755); err != nil {
		return err
	}
	if o.shell {
		if err := w.write("shell", ""); err != nil {
			return err
		}
	}
	pairs := slices.Clone(o.add)
	for _, bin := range o.bins {
		pairs = append(pairs, bin+":/usr/local/bin/")
	}
	var prepare strings.Builder
	if o.guest == guestSystemd {
		prepare.WriteString("chmod 0666 /dev/fuse /dev/net/tun\n") // as udev does on a host; the guest has none
	}
	for i, pair := range pairs {
		src, dst, _ := strings.Cut(pair, ":")
		line, err := w.stage(i, src, dst)
		if err != nil {
			return fmt.Errorf("copy %s into the guest: %w", src, err)
		}
		prepare.WriteString(line)
	}
	return w.write("prepare", prepare.String())
}

// stage copies src into the tree under the number i, and returns the script that puts it where it belongs. A dst that
// ends in a slash is a directory for src, else it is src's new name.
func (w *work) stage(i int, src, dst string) (string, error) {
	info, err := os.Stat(src)
	if err != nil {
		return "", err
	}
	if strings.HasSuffix(dst, "/") {
		dst = filepath.Join(dst, filepath.Base(src))
	}
	held := fmt.Sprintf(".vm/add/%d", i)
	if _, err := tool(context.Background(), "", "cp", "-aH", src, filepath.Join(w.tree, held)); err != nil {
		return "", err
	}
	if info.IsDir() {
		return fmt.Sprintf("mkdir -p %[2]s\ncp -a /t/%[1]s/. %[2]s\n", held, quote(dst)), nil
	}
	return fmt.Sprintf("mkdir -p %s\ncp -a /t/%s %s\n", quote(filepath.Dir(dst)), held, quote(dst)), nil
}

// setJob writes the script the guest runs.
func (w *work) setJob(script string) error { return w.write("job", script) }

func (w *work) write(name, text string) error {
	return os.WriteFile(filepath.Join(w.tree, ".vm", name), []byte(text), 0o644)
}

// commandJob is the job of a single command.
func commandJob(o *options) string {
	words := make([]string, len(o.command))
	for i, arg := range o.command {
		words[i] = quote(arg)
	}
	return exports(o) + "exec " + strings.Join(words, " ") + "\n"
}

// exports sets the variables of -env.
func exports(o *options) string {
	var b strings.Builder
	for _, pair := range o.env {
		name, value, _ := strings.Cut(pair, "=")
		fmt.Fprintf(&b, "export %s=%s\n", name, quote(value))
	}
	return b.String()
}
