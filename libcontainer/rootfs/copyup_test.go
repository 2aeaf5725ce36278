package rootfs

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMount_CopyUp(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		src := b.rootfs + "/src"
		write(t, src+"/file", "text")
		ok(t, os.Chown(src+"/file", 7, 8))
		ok(t, unix.Chmod(src+"/file", 0o4751))
		write(t, src+"/dir/deep/file", strings.Repeat("x", 1<<20))
		ok(t, unix.Chmod(src+"/dir", 0o2770))
		ok(t, os.Chown(src+"/dir", 9, 10))
		link(t, "/etc/passwd", src+"/dir/link")
		link(t, b.canary+"/null", src+"/out")
		ok(t, unix.Mkfifo(src+"/fifo", 0o640))
		node(t, src+"/null", unix.S_IFCHR, 1, 3)
		ok(t, unix.Chmod(src, 0o711))
		caps := []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		ok(t, unix.Setxattr(src+"/file", "security.capability", caps, 0))
		want := snapshot(t, src)
		r := b.open(t, with(mnt("tmpfs tmpfs /src tmpcopyup")), Options{})
		ok(t, r.Mount())
		if m := mountAt(t, src); m.fstype != "tmpfs" {
			t.Fatal(m)
		}
		strip := func(text string) string { // inode numbers and times differ
			var lines []string
			for line := range strings.Lines(text) {
				head, rest, _ := strings.Cut(line, " ino ")
				_, rest, _ = strings.Cut(rest, " ")
				attrs, _, _ := strings.Cut(rest, " mtime")
				lines = append(lines, head+" "+attrs)
			}
			return strings.Join(lines, "\n")
		}
		if got := strip(snapshot(t, src)); got != strip(want) {
			t.Errorf("copied:\n%s\nwant:\n%s", got, strip(want))
		}
		if text, _ := os.ReadFile(src + "/dir/deep/file"); len(text) != 1<<20 {
			t.Errorf("%d bytes were copied", len(text))
		}
		buf := make([]byte, 64)
		if n, err := unix.Getxattr(src+"/file", "security.capability", buf); err != nil || string(buf[:n]) != string(caps) {
			t.Errorf("capabilities %x, %v", buf[:max(n, 0)], err)
		}
	})
}
