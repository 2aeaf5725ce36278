package integration

import (
	"bufio"
	"encoding/json"
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
	a := &seccompAgent{Socket: filepath.Join(Dir(t), "agent"), t: t, events: make(chan view.AgentEvent, 4096)}
	a.cmd = exec.Command(Probe(), "agent", a.Socket, part)
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	Begin(t, a.cmd)
	go func() {
		defer close(a.events)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e view.AgentEvent
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				e.Error = err.Error()
			}
			a.events <- e
		}
	}()
	a.Await("that the agent listens", func(e *view.AgentEvent) bool { return e.Listening })
	return a
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
