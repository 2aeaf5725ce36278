package cli

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"
)

// globalOptions stand before the command's name.
type globalOptions struct {
	debug         bool
	log           string // path; empty: standard error
	logFormat     string // "text", "json" or empty, which is text for a person
	root          string // as given; empty: the default, see stateRoot
	systemdCgroup bool
	rootless      string
	criu          string
}

func (g *globalOptions) flags() []cli.Flag {
	g.rootless = "auto"
	return []cli.Flag{
		stringFlag(&g.root, "keep the state of containers below `DIR`", "root"),
		stringFlag(&g.log, "append errors to `FILE` too, besides standard error", "log"),
		stringFlag(&g.logFormat, "`FORMAT` of log records: text or json", "log-format"),
		boolFlag(&g.debug, "log what is done, and where in the program", "debug"),
		boolFlag(&g.systemdCgroup, "let systemd make the cgroup: cgroupsPath is slice:prefix:name", "systemd-cgroup"),
		stringFlag(&g.rootless, "go on if cgroups may not be changed: `WHEN` is true, false or auto", "rootless"),
		// Old callers still name the criu binary. It is the one in PATH all the same, as with runc from 1.2 on.
		hiddenFlag(&g.criu, "criu"),
	}
}

func isGlobalOption(name string) bool {
	return slices.ContainsFunc(new(globalOptions).flags(), func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
}

// check refuses values that no command could work with.
func (g *globalOptions) check() error {
	switch g.rootless {
	case "auto", "true", "false":
		return nil
	}
	return fmt.Errorf("--rootless: %q is none of auto, true, false", g.rootless)
}
