package libcontainer

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"tare/internal/sys"
	"tare/libcontainer/launch"
	"tare/libcontainer/state"
	"tare/seccomp"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// agentTimeout is how long the agent may take to have room for one more connection, and to take what is sent to it.
const agentTimeout = 10 * time.Second

// findAgent gives the agent that the filter wants; nil if it has no notifications. One that is not there is an error. A
// relative path is one in the bundle.
func findAgent(filter *seccomp.Program, profile *specs.LinuxSeccomp, bundle string) (*state.Agent, error) {
	if filter == nil || !filter.Listener {
		return nil, nil
	}
	a := &state.Agent{Path: profile.ListenerPath, Metadata: profile.ListenerMetadata}
	if !filepath.IsAbs(a.Path) {
		a.Path = filepath.Join(bundle, a.Path)
	}
	return a, checkAgent(a)
}

// checkAgent tells whether the agent is there, without connecting: a connection is for a state.
func checkAgent(a *state.Agent) error {
	if a == nil {
		return nil
	}
	return agentError("is the agent there?", sys.ProbeUnix(a.Path))
}

func agentError(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("linux.seccomp.listenerPath (/linux/seccomp/listenerPath): %w: %s", err, what)
}

// agent is a conversation with the agent about one process.
type agent struct {
	*state.Agent
	of     *state.State
	status specs.ContainerState
	socket int
}

// newAgent gives nil for none.
func newAgent(of *state.State, a *state.Agent, status specs.ContainerState) launch.Agent {
	if a == nil {
		return nil
	}
	return &agent{Agent: a, of: of, status: status, socket: -1}
}

// Dial connects to the agent, in the mount namespace of the runtime.
func (a *agent) Dial() (err error) {
	a.socket, err = sys.ConnectUnixBy(a.Path, time.Now().Add(agentTimeout))
	return agentError("is the agent there, and does it accept?", err)
}

// Tell sends the agent the container process state, with the listener, and closes the connection: config-linux.md, "The
// Container Process State".
func (a *agent) Tell(listener, pid int) error {
	defer sys.Close(a.socket)
	text, err := json.Marshal(&specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: pid, Metadata: a.Metadata, State: *hookState(a.of, a.status),
	})
	if err == nil {
		err = sys.SendFDBy(a.socket, listener, text, time.Now().Add(agentTimeout))
	}
	return agentError("has the agent hung up?", err)
}

// follow follows the init process, which was released from its fifo, to its execution, and gives what it has said.
func (c *Container) follow(fifo, init int) (said string, err error) {
	if c.state.Agent == nil {
		return c.hearOut(fifo)
	}
	if said, err = c.passListener(fifo, init); err != nil { // or it would wait for who answers it
		err = startError(errors.Join(err, sys.PidfdSendSignal(init, unix.SIGKILL)))
	}
	return said, err
}

// passListener takes the listener from the stage, and hands it to the agent. A stage that has died, or has something to say,
// says so at the fifo.
func (c *Container) passListener(fifo, init int) (said string, err error) {
	socket, err := c.dir.ConnectStart(time.Now().Add(agentTimeout))
	if errors.Is(err, unix.ECONNREFUSED) {
		return c.hearOut(fifo)
	}
	if err != nil {
		return "", err
	}
	stage := launch.Rejoin(socket, c.state.InitPid, init)
	defer stage.Close()
	err = stage.PassListener(newAgent(c.state, c.state.Agent, specs.StateCreated))
	if err != nil && !errors.Is(err, launch.ErrInitGone) {
		return "", err
	}
	if said, err = c.hearOut(fifo); err == nil && said == "0" {
		err = stage.Fate()
	}
	return said, err
}

// listens gives who takes the listener of the filter, nil if it has none.
func (c *creation) listens() launch.Agent {
	if c.recorder != nil {
		return c.recorder
	}
	return newAgent(c.state, c.agent, specs.StateCreated)
}
