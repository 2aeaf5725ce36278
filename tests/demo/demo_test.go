package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"tare/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestDemo(t *testing.T) {
	testutil.NeedRoot(t)
	temp := testutil.Dir(t)
	t.Setenv("TMPDIR", temp)
	var out bytes.Buffer
	if err := demo(t.Context(), &out, testutil.Runtime(), testutil.Probe()); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	lines := []string{
		`  hostname +\S+ +tare-demo`,
		`  own pid +\d+ +1`,
		`  processes +.+ 1 probe`,
		`  runs as +0:0 +0:0`,
		`  which is, outside +uid \d+ +uid 100000`,
		`  capabilities +.+ KILL NET_BIND_SERVICE`,
		`  no new privileges +\S+ +yes`,
		`  seccomp +\S+ +filter`,
		`  unshare\(2\) answers +\S.*  operation not permitted`,
		`  in / +.+ dev probe proc sys`,
		`  interfaces +.+ lo`,
		`  /proc/sys +proc +ro,.*`,
		`  /sys/firmware +tmpfs +ro,.*`,
	}
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"} {
		lines = append(lines, `  `+kind+` +\d+ +\d+`)
	}
	for _, want := range append(lines, limitLines()...) {
		if !regexp.MustCompile(`(?m)^` + want + `$`).Match(out.Bytes()) {
			t.Errorf("no line %q", want)
		}
	}
	for _, kind := range []string{"ipc", "pid", "user"} {
		ids := strings.Fields(regexp.MustCompile(`(?m)^  ` + kind + ` .*$`).FindString(out.String()))
		if len(ids) == 3 && ids[1] == ids[2] {
			t.Errorf("the container is in the host's %s namespace", kind)
		}
	}
	if bytes.ContainsRune(out.Bytes(), '\x1b') {
		t.Error("colour without a terminal")
	}
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if t.Failed() {
		t.Log("\n", &out)
	}
}

// limitLines are the limits in force, whatever version of cgroups holds them.
func limitLines() []string {
	return []string{`  memory, bytes +\S+ +67108864`, `  cpu, µs +\S.* +50000 100000`, `  processes, most +\S+ +32`}
}
