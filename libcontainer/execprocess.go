package libcontainer

import (
	"errors"
	"fmt"
	"slices"

	"tare/internal/sys"
	"tare/libcontainer/bundle"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// processLimit bounds what the text of a process may make the runtime allocate.
const processLimit = 16 << 20

// loadProcess makes the process: of the file, or of the container's own, as it was at create.
func (e *execution) loadProcess() (err error) {
	if e.o.ProcessFile != "" {
		e.process, err = readProcess(e.o.ProcessFile)
	} else {
		e.process, err = e.o.Changes.apply(e.config.Process)
	}
	if err != nil {
		return err
	}
	inheritProcess(e.process, e.config.Process)
	return nil
}

// readProcess reads a file that need not be a regular one: managers pass a pipe.
func readProcess(path string) (*specs.Process, error) {
	raw, err := sys.ReadStream(path, processLimit)
	if err != nil {
		return nil, fmt.Errorf("--process: %w", err)
	}
	p := new(specs.Process)
	if err := bundle.Decode(path, raw, p); err != nil {
		return nil, err
	}
	return p, bundle.ValidateProcess(p).In(path)
}

var errNoArgs = errors.New("process args cannot be empty: the command comes after the id")

// apply makes a process of the container's. A container without one has nothing to start from but the changes.
func (c *ProcessChanges) apply(of *specs.Process) (*specs.Process, error) {
	if len(c.Args) == 0 {
		return nil, errNoArgs
	}
	p := specs.Process{Cwd: "/"}
	if of != nil {
		p = *of
	}
	p.Args, p.Terminal = c.Args, c.Terminal
	if c.Cwd != "" {
		p.Cwd = c.Cwd
	}
	p.Env = slices.Concat(p.Env, c.Env)
	if c.UID != nil {
		p.User.UID = *c.UID
	}
	if c.GID != nil {
		p.User.GID = *c.GID
	}
	p.User.AdditionalGids = slices.Concat(p.User.AdditionalGids, c.AdditionalGIDs)
	if c.NoNewPrivileges != nil {
		p.NoNewPrivileges = *c.NoNewPrivileges
	}
	if c.ApparmorProfile != "" {
		p.ApparmorProfile = c.ApparmorProfile
	}
	if c.SelinuxLabel != "" {
		p.SelinuxLabel = c.SelinuxLabel
	}
	p.Capabilities = c.capabilities(p.Capabilities)
	return &p, bundle.ValidateProcess(&p).In("process")
}

// capabilities adds to what the container's process has. What is inheritable stays: a file's inheritable capabilities
// would be gained by it (CVE-2022-29162). An ambient one has to be inheritable.
func (c *ProcessChanges) capabilities(of *specs.LinuxCapabilities) *specs.LinuxCapabilities {
	if len(c.Capabilities) == 0 {
		return of
	}
	var caps specs.LinuxCapabilities
	if of != nil {
		caps = *of
	}
	caps.Bounding = slices.Concat(caps.Bounding, c.Capabilities)
	caps.Effective = slices.Concat(caps.Effective, c.Capabilities)
	caps.Permitted = slices.Concat(caps.Permitted, c.Capabilities)
	for _, name := range c.Capabilities {
		if slices.Contains(caps.Inheritable, name) {
			caps.Ambient = slices.Concat(caps.Ambient, []string{name})
		}
	}
	return &caps
}

// inheritProcess fills in what a process that joins a container has from it unless it says otherwise. Limits are not among
// that: a file that names none wants none.
func inheritProcess(p, of *specs.Process) {
	if of == nil {
		return
	}
	if p.Capabilities == nil {
		p.Capabilities = of.Capabilities
	}
	if p.User.Umask == nil {
		p.User.Umask = of.User.Umask
	}
	if p.ApparmorProfile == "" {
		p.ApparmorProfile = of.ApparmorProfile
	}
	if p.SelinuxLabel == "" {
		p.SelinuxLabel = of.SelinuxLabel
	}
	if p.OOMScoreAdj == nil {
		p.OOMScoreAdj = of.OOMScoreAdj
	}
}
