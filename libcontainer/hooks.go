package libcontainer

import (
	"tare/libcontainer/hooks"
	"tare/libcontainer/state"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// The hooks of the runtime's namespaces. Those of the container's are run by the init stage.

// runHooks runs prestart and createRuntime, between the container's mounts and its pivot_root.
func (c *creation) runHooks() error {
	h := c.bundle.Spec.Hooks
	if h == nil {
		return nil
	}
	c.hooked = true
	st := hookState(c.state, specs.StateCreating)
	//lint:ignore SA1019 prestart is deprecated, and Docker uses it
	prestart := hooks.Set{Kind: "prestart", Hooks: h.Prestart, Dir: c.bundle.Dir, Interrupt: c.interruption.hooks()}
	if err := prestart.Run(st); err != nil {
		return startError(err)
	}
	createRuntime := hooks.Set{Kind: "createRuntime", Hooks: h.CreateRuntime, Dir: c.bundle.Dir, Interrupt: c.interruption.hooks()}
	if err := createRuntime.Run(st); err != nil {
		return startError(err)
	}
	return nil
}

func runPoststart(st *state.State) error {
	if st.Hooks == nil {
		return nil
	}
	set := hooks.Set{Kind: "poststart", Hooks: st.Hooks.Poststart, Dir: st.Bundle}
	return set.Run(hookState(st, specs.StateRunning))
}

// runPoststop runs them all: what fails is a warning, the container is gone either way. It is for everybody else, too, while they
// run; should this process not live to see their end, the next delete runs them.
func runPoststop(dir *state.Dir, st *state.State, o DeleteOptions) error {
	if st.Hooks == nil || len(st.Hooks.Poststop) == 0 {
		return nil
	}
	if err := dir.Retire(); err != nil {
		return err
	}
	set := hooks.Set{Kind: "poststop", Hooks: st.Hooks.Poststop, Dir: st.Bundle, Interrupt: o.interrupt}
	for _, err := range set.RunAll(hookState(st, specs.StateStopped)) {
		o.Warn(err.Error())
	}
	return nil
}

// hookState is what the hooks of the runtime's side are told.
func hookState(st *state.State, status specs.ContainerState) *specs.State {
	s := &specs.State{
		Version: st.Version, ID: st.ID, Status: status, Bundle: st.Bundle, Annotations: st.Annotations,
	}
	if status != specs.StateStopped {
		s.Pid = st.InitPid
	}
	return s
}

// laterHooks are those that other commands run.
func laterHooks(h *specs.Hooks) *specs.Hooks {
	if h == nil || len(h.Poststart)+len(h.Poststop) == 0 {
		return nil
	}
	return &specs.Hooks{Poststart: h.Poststart, Poststop: h.Poststop}
}
