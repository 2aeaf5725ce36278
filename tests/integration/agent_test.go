package integration

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

// seccompAgent is a `probe agent` at work.
type seccompAgent struct {
	Socket string

	t      *testing.T
	cmd    *exec.Cmd
	events chan view.AgentEvent
	seen   []view.AgentEvent
}

// startAgent starts an agent that plays the part, and waits until it listens.
func startAgent(t *testing.T, part string) *seccompAgent {
	t.Helper()
	return startAgentAt(t, part, filepath.Join(Dir(t), "agent"))
}

// startAgentAt takes the place of another agent if there is one.
func startAgentAt(t *testing.T, part, socket string) *seccompAgent {
	t.Helper()
	a := &seccompAgent{Socket: socket, t: t}
	a.Again(part)
	return a
}

// Again starts the agent, that has ended, in another part.
func (a *seccompAgent) Again(part string) {
	a.t.Helper()
	if err := os.Remove(a.Socket); err != nil && !os.IsNotExist(err) {
		a.t.Fatal(err)
	}
	a.cmd = exec.Command(Probe(), "agent", a.Socket, part)
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		a.t.Fatal(err)
	}
	a.seen, a.events = nil, make(chan view.AgentEvent, 4096)
	Begin(a.t, a.cmd)
	go func(events chan<- view.AgentEvent) {
		defer close(events)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e view.AgentEvent
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				e.Error = err.Error()
			}
			events <- e
		}
	}(a.events)
	a.Await("that the agent listens", func(e *view.AgentEvent) bool { return e.Listening })
}

// End ends the agent. Its socket stays.
func (a *seccompAgent) End() {
	a.t.Helper()
	if err := a.cmd.Process.Kill(); err != nil {
		a.t.Fatal(err)
	}
	_ = a.cmd.Wait()
}

// Await waits for an event, and keeps all before it.
func (a *seccompAgent) Await(what string, is func(*view.AgentEvent) bool) *view.AgentEvent {
	a.t.Helper()
	late := time.After(Deadline())
	for {
		select {
		case e, ok := <-a.events:
			if !ok {
				a.t.Fatalf("the agent has ended; waited for %s, saw %+v", what, a.seen)
			}
			a.seen = append(a.seen, e)
			if is(&e) {
				return &e
			}
		case <-late:
			a.t.Fatalf("no %s; saw %+v", what, a.seen)
		}
	}
}

// State waits for the next container process state.
func (a *seccompAgent) State() *view.ProcessState {
	a.t.Helper()
	e := a.Await("container process state", func(e *view.AgentEvent) bool { return e.State != nil || e.Error != "" })
	if e.State == nil || e.Error != "" || e.Descriptors != 1 {
		a.t.Fatalf("container process state: %+v", e)
	}
	return e.State
}

// Emulated waits for a call that the agent has made itself.
func (a *seccompAgent) Emulated(call string) *view.AgentEvent {
	a.t.Helper()
	return a.Await(call+" by the agent", func(e *view.AgentEvent) bool { return e.Call == call && e.Emulated })
}

// Connected tells whether somebody has connected since the last event that was waited for.
func (a *seccompAgent) Connected() bool {
	select {
	case e := <-a.events:
		a.seen = append(a.seen, e)
		return e.State != nil || e.Error != ""
	default:
		return false
	}
}
