package packaging

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	inlineLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeBlock  = regexp.MustCompile("(?ms)^```.*?^```")
)

// Relative links of the documents that make install installs lead to one of them. deb.sh gives the licence and the changelog other names.
func TestInstalledLinks(t *testing.T) {
	read(t, "../Makefile") // and the documents in the tree: the test is not cached when one of these has changed
	dest := filepath.Join(t.TempDir(), "with a space")
	cmd := exec.Command("make", "-s", "-C", "..", "install-docs", "DESTDIR="+dest, "PREFIX=/usr")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make install-docs: %v: %s", err, out)
	}
	root := filepath.Join(dest, "usr/share/doc/tare")
	for _, name := range []string{"LICENSE", "CHANGELOG.md"} {
		if err := os.Remove(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
	documents, links := 0, 0
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		documents++
		name := strings.TrimPrefix(path, root+"/")
		text := codeBlock.ReplaceAllString(read(t, filepath.Join("..", name)), "")
		for _, link := range inlineLink.FindAllStringSubmatch(text, -1) {
			target, _, _ := strings.Cut(link[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), target)); err != nil {
				t.Errorf("%s, a link to %s: %v", name, link[1], err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if documents < 10 || links < 50 {
		t.Errorf("only %d documents with %d links", documents, links)
	}
}
