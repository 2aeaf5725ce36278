package check

import (
	"encoding/hex"
	"os"
	"strconv"
	"strings"

	"tare/internal/sys"
)

// binfmtDir is where the kernel tells of interpreters for foreign programs (binfmt_misc).
const binfmtDir = "/proc/sys/fs/binfmt_misc"

// interpreted is the interpreter that binfmt_misc has for a file with that beginning and name, or "".
func (c *checker) interpreted(head []byte, name string) string {
	if status, err := sys.ReadFile(binfmtDir + "/status"); err != nil || strings.TrimSpace(string(status)) != "enabled" {
		return ""
	}
	entries, err := os.ReadDir(binfmtDir)
	if err != nil {
		return ""
	}
	for _, entry := range entries {
		if entry.Name() == "status" || entry.Name() == "register" {
			continue
		}
		text, err := sys.ReadFile(binfmtDir + "/" + entry.Name())
		if err != nil {
			continue
		}
		if interpreter := parseBinfmt(string(text)); interpreter.matches(head, name) {
			return interpreter.path
		}
	}
	return ""
}

// binfmt is one entry.
type binfmt struct {
	path        string
	extension   string
	offset      int
	magic, mask []byte
}

// parseBinfmt reads an entry; one that is switched off is empty.
func parseBinfmt(text string) (b binfmt) {
	lines := strings.Split(text, "\n")
	if lines[0] != "enabled" {
		return b
	}
	for _, line := range lines[1:] {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "interpreter":
			b.path = value
		case "extension":
			b.extension = value
		case "offset":
			b.offset, _ = strconv.Atoi(value)
		case "magic":
			b.magic, _ = hex.DecodeString(value)
		case "mask":
			b.mask, _ = hex.DecodeString(value)
		}
	}
	return b
}

func (b *binfmt) matches(head []byte, name string) bool {
	if b.extension != "" {
		return strings.HasSuffix(name, b.extension)
	}
	if len(b.magic) == 0 || b.offset < 0 || b.offset+len(b.magic) > len(head) {
		return false
	}
	for i, m := range b.magic {
		found := head[b.offset+i]
		if i < len(b.mask) {
			found &= b.mask[i]
			m &= b.mask[i]
		}
		if found != m {
			return false
		}
	}
	return true
}
