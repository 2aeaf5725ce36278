package cli

import (
	"fmt"
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/seccomp"
)

func programVersion() string {
	if version == "" {
		return "unknown"
	}
	return version
}

// printVersion prints what go-runc, Docker and nerdctl parse: the first line has exactly three words, the others
// begin with their key. A commit that is not known is left out.
func (a *app) printVersion() error {
	out := a.name + " version " + programVersion() + "\n"
	if commit != "" {
		out += "commit: " + commit + "\n"
	}
	out += "spec: " + specs.Version + "\ngo: " + runtime.Version() + "\nseccomp: " + seccomp.Engine() + "\n"
	return a.print(out)
}

// print writes to standard output. A reader that got half of the output must see an error.
func (a *app) print(s string) error {
	if _, err := fmt.Fprint(a.stdout, s); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
