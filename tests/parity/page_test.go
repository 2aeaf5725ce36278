package parity

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/runc.md anew")

const pagePath = "../../docs/runc.md"

const pageHead = `# What is different from runc

Made by tests/parity: %d calls of tare and of runc 1.1, on bundles that are the same, with exit code, output, pid file, log,
status and all that the workload sees compared. Whatever is not in this table was the same.

| With tare | Why, or what runc does |
|---|---|
`

const pageTail = `
## Checkpoint and restore

They are not among these calls, as CRIU works on few of the machines that tests run on; ` + "`make test-vm`" + ` has them in a guest. What is meant to be different:

| With tare | Why, or what runc does |
|---|---|
| logs go to the image directory where there is no ` + "`--work-path`" + ` | runc puts them into the state directory, which goes with the container |
| an error quotes the first two errors of CRIU's, and the log's path | runc says ` + "`criu failed: type DUMP errno 0`" + ` and the name |
| what CRIU would lose, or could not bring back, is refused, with the field | runc lets CRIU try |
| ` + "`tare.json`" + ` stands beside CRIU's images | runc writes ` + "`descriptors.json`" + `: neither restores what the other has written |
| ` + "`--criu PATH`" + ` is accepted and ignored: ` + "`criu`" + ` is looked for in PATH | runc 1.1 obeys; later versions do not |
| a restore into the cgroup of a running container is refused | as a create is; runc puts both into it |
| ` + "`/etc/criu/tare.conf`" + ` is read before ` + "`/etc/criu/runc.conf`" + ` | |
| ` + "`restore --preserve-fds`" + `, ` + "`--pidfd-socket`" + `, ` + "`--no-new-keyring`" + `, ` + "`--tcp-close`" + `; ` + "`--manage-cgroups-mode ignore`" + `, ` + "`--link-remap`" + `, ` + "`--tcp-skip-in-flight`" + ` | runc 1.1 does not have them |
`

func TestPage(t *testing.T) {
	var page strings.Builder
	fmt.Fprintf(&page, pageHead, len(invocations))
	for _, d := range meant {
		fmt.Fprintf(&page, "| %s | %s |\n", d.what, d.reason)
	}
	page.WriteString(pageTail)
	if *update {
		if err := os.WriteFile(pagePath, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(pagePath)
	if err != nil || string(have) != page.String() {
		t.Errorf("docs/runc.md is not what this package says (%v): go test ./tests/parity -run Page -update", err)
	}
}
