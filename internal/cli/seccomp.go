package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"

	"tare/libcontainer/bundle"
	"tare/seccomp"
)

func (a *app) seccompCommand() *cli.Command {
	one := 1
	return &cli.Command{
		Name:      "seccomp",
		Category:  "Before a container",
		Usage:     "show what a seccomp profile decides, or what two decide differently",
		ArgsUsage: "show|diff ...",
		Description: `NAME seccomp show PROFILE [CALL...]   what becomes of each system call
NAME seccomp diff PROFILE PROFILE     which calls two profiles decide differently

PROFILE is a bundle's directory, a config.json, or a file with the profile alone.

NAME seccomp show web
NAME seccomp show web openat clone3
NAME seccomp diff web stricter.json
`,
		StopOnNthArg: &one,
		Action: func(_ context.Context, c *cli.Command) error {
			switch c.Args().First() {
			case "show":
				return a.call(a.seccompShowCommand(), c.Args().Slice())
			case "diff":
				return a.call(a.seccompDiffCommand(), c.Args().Slice())
			case "":
				return fmt.Errorf("%s seccomp: want show or diff (see %s seccomp --help)", a.name, a.name)
			}
			return fmt.Errorf("%s seccomp %s: no such command, want show or diff (see %s seccomp --help)", a.name, c.Args().First(), a.name)
		},
	}
}

func (a *app) seccompShowCommand() *cli.Command {
	o := seccompView{format: "table"}
	return &cli.Command{
		Name:      "seccomp show",
		Usage:     "show what becomes of each system call",
		ArgsUsage: "PROFILE [CALL...]",
		Description: `With calls, only of these. A rule's conditions are on the call's arguments, from 0.

NAME seccomp show web | grep -v ' allow$'
NAME seccomp show --arch x86 web socket
NAME seccomp show --dot web | dot -Tsvg > filter.svg
`,
		Flags: []cli.Flag{
			stringFlag(&o.arch, "show the calls of `ARCH`, as x86_64 or SCMP_ARCH_X86_64, not of this machine's", "arch"),
			stringFlag(&o.format, "`FORMAT` is table (which is the default) or json", "format", "f"),
			boolFlag(&o.bpf, "show the program instead: its instructions, and what they mean", "bpf"),
			boolFlag(&o.dot, "show the program as a graph, in Graphviz' language", "dot"),
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 1, c.Args().Len()); err != nil {
				return err
			}
			if err := checkFormat(o.format); err != nil {
				return err
			}
			profile, err := readProfile(c.Args().First())
			if err != nil {
				return err
			}
			return profile.in(a.seccompShow(profile.LinuxSeccomp, &o, c.Args().Tail()))
		},
	}
}

func (a *app) seccompDiffCommand() *cli.Command {
	var archName string
	return &cli.Command{
		Name:      "seccomp diff",
		Usage:     "show which calls two profiles decide differently",
		ArgsUsage: "PROFILE PROFILE",
		Description: `One line a call. The exit code is 1 if there is a difference.

NAME seccomp diff /usr/share/containers/seccomp.json web
`,
		Flags: []cli.Flag{
			stringFlag(&archName, "compare the calls of `ARCH`, not of this machine's", "arch"),
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 2, 2); err != nil {
				return err
			}
			var decided [2][]seccomp.Decision
			for i, path := range c.Args().Slice() {
				profile, err := readProfile(path)
				if err != nil {
					return err
				}
				if decided[i], err = decisions(profile.LinuxSeccomp, archName); err != nil {
					return profile.in(err)
				}
			}
			return a.printSeccompDiff(c.Args().Slice(), decided)
		},
	}
}

// profileFile is a profile, or a config with one, or what Docker calls a profile.
type profileFile struct {
	Linux   *specs.Linux `json:"linux"`
	ArchMap []struct {
		Architecture string `json:"architecture"`
	} `json:"archMap"`
}

// readProfile finds the profile in a bundle, a config or a file of its own.
func readProfile(path string) (*namedProfile, error) {
	if path == "" {
		return nil, errors.New("PROFILE is empty: want a bundle's directory, a config.json, or a file with the profile alone")
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "config.json")
	}
	raw, err := readDocument(path)
	if err != nil {
		return nil, err
	}
	var file profileFile
	if err := bundle.Decode(path, raw, &file); err != nil {
		return nil, err
	}
	switch {
	case len(file.ArchMap) > 0:
		return nil, fmt.Errorf("%s: a profile in Docker's own format, with archMap: Docker makes the OCI profile of it, "+
			"which is in the config.json of a container that it has created", path)
	case file.Linux != nil && file.Linux.Seccomp == nil:
		return nil, fmt.Errorf("%s: no profile: linux.seccomp (/linux/seccomp) is not there", path)
	case file.Linux != nil:
		return &namedProfile{file.Linux.Seccomp, path, false}, nil
	}
	profile := new(specs.LinuxSeccomp)
	if err := bundle.Decode(path, raw, profile); err != nil {
		return nil, err
	}
	if profile.DefaultAction == "" {
		return nil, fmt.Errorf("%s: neither a config.json nor a seccomp profile: it has no linux and no defaultAction", path)
	}
	return &namedProfile{profile, path, true}, nil
}

// namedProfile is a profile, and where it is from.
type namedProfile struct {
	*specs.LinuxSeccomp

	file  string
	alone bool // no config.json around it
}

// in tells mistakes in the profile by the file, and by the pointer of that file.
func (p *namedProfile) in(err error) error {
	wrong, ok := errors.AsType[*seccomp.FieldError](err)
	switch {
	case !ok:
		return err
	case !p.alone:
		return fmt.Errorf("%s: %w", p.file, err)
	case wrong.Field == "":
		return fmt.Errorf("%s: %w", p.file, wrong.Err)
	}
	return fmt.Errorf("%s: %s: %w", p.file, wrong.Field, wrong.Err)
}

// maxDocument is the most that is read of a file that a person names.
const maxDocument = 16 << 20

func readDocument(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is no regular file", path)
	}
	if info.Size() > maxDocument {
		return nil, fmt.Errorf("%s: %d bytes, more than %d", path, info.Size(), maxDocument)
	}
	return os.ReadFile(path)
}

// archNamed finds an architecture by either of its names; without one it is this machine's.
func archNamed(name string) (specs.Arch, error) {
	if name == "" {
		return seccomp.NativeArch()
	}
	i := slices.IndexFunc(seccomp.Archs(), func(known string) bool {
		return strings.EqualFold(known, name) || seccomp.ArchName(specs.Arch(known)) == strings.ToLower(name)
	})
	if i < 0 {
		return "", fmt.Errorf("--arch %s: no such architecture", name)
	}
	return specs.Arch(seccomp.Archs()[i]), nil
}

func decisions(profile *specs.LinuxSeccomp, archName string) ([]seccomp.Decision, error) {
	of, err := archNamed(archName)
	if err != nil {
		return nil, err
	}
	native, err := seccomp.NativeArch()
	if err != nil {
		return nil, err
	}
	all, err := seccomp.Decisions(profile, native, of)
	if err != nil && archName != "" && native != of {
		// Of a machine of that kind, perhaps.
		if there, e := seccomp.Decisions(profile, of, of); e == nil {
			return there, nil
		}
	}
	return all, err
}

var errNoCalls = errors.New("none of these calls is there on this architecture")
