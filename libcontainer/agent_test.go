package libcontainer

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/libcontainer/state"
	"tare/seccomp"
)

func TestFindAgent(t *testing.T) {
	profile := &specs.LinuxSeccomp{ListenerPath: "agent", ListenerMetadata: "m"}
	for _, filter := range []*seccomp.Program{nil, {}} { // the path is ignored, whatever it is
		if a, err := findAgent(filter, profile, "/nowhere"); a != nil || err != nil {
			t.Errorf("no notifications: %+v, %v", a, err)
		}
	}
	dir := t.TempDir()
	notifies := &seccomp.Program{Listener: true}
	if _, err := findAgent(notifies, profile, dir); err == nil || !strings.Contains(err.Error(), "(/linux/seccomp/listenerPath): connect "+dir+"/agent: no such file") {
		t.Errorf("not there: %v", err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "agent"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	a, err := findAgent(notifies, profile, dir)
	if err != nil || a.Path != dir+"/agent" || a.Metadata != "m" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestTell: the state of a container is one JSON text and one descriptor, and the end.
func TestTell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	st := &state.State{Version: "1.3.0", ID: "web", Bundle: "/b", InitPid: 7, Annotations: map[string]string{"a": strings.Repeat("b", 1000)}}
	a := newAgent(st, &state.Agent{Path: path, Metadata: "m"}, specs.StateRunning)
	if err := a.Dial(); err != nil {
		t.Fatal(err)
	}
	conn, err := listener.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Tell(int(os.Stdin.Fd()), 9); err != nil {
		t.Fatal(err)
	}
	b, oob := make([]byte, 4096), make([]byte, 256)
	n, oobn, _, _, err := conn.ReadMsgUnix(b, oob)
	if err != nil {
		t.Fatal(err)
	}
	var got specs.ContainerProcessState
	if err := json.Unmarshal(b[:n], &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Fds) != 1 || got.Fds[0] != "seccompFd" || got.Pid != 9 || got.State.Pid != 7 || got.State.Status != "running" || got.Metadata != "m" || len(got.State.Annotations) != 1 {
		t.Errorf("%+v", got)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d control messages, %v", len(messages), err)
	}
	if n, err := conn.Read(b); n != 0 || err == nil {
		t.Errorf("after the state: %d bytes, %v", n, err)
	}

	a = newAgent(st, &state.Agent{Path: path}, specs.StateRunning)
	if err := a.Dial(); err != nil {
		t.Fatal(err)
	}
	if conn, err = listener.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := a.Tell(0, 9); err == nil || !strings.Contains(err.Error(), "broken pipe: has the agent hung up?") {
		t.Errorf("hung up: %v", err)
	}
	if newAgent(st, nil, specs.StateRunning) != nil {
		t.Error("an agent where there is none")
	}
}
