package cli

import (
	"bytes"
	"encoding/json"
	"testing"

	"tare/libcontainer"
)

const stopped = `{
  "ociVersion": "1.3.0",
  "id": "web",
  "pid": 0,
  "status": "stopped",
  "bundle": "/srv/web",
  "rootfs": "/srv/web/rootfs",
  "created": "2026-01-02T03:04:05.123456789Z",
  "annotations": {
    "a": "<b>"
  },
  "owner": "root"
}`

const running = `{
  "ociVersion": "1.3.0",
  "id": "a-longer-id",
  "pid": 4194304,
  "status": "running",
  "bundle": "/srv/\u001b[31mred",
  "rootfs": "/srv/web/rootfs",
  "created": "2026-01-02T03:04:05Z",
  "owner": "#4711"
}`

func state(t *testing.T, text string) *libcontainer.State {
	t.Helper()
	st := &libcontainer.State{}
	if err := json.Unmarshal([]byte(text), st); err != nil {
		t.Fatal(err)
	}
	return st
}

// Order and indentation of the keys, a pid that is 0, annotations left out, and no newline at the end.
func TestPrintState(t *testing.T) {
	for _, text := range []string{stopped, running} {
		var out bytes.Buffer
		if err := (&app{stdout: &out}).printState(state(t, text)); err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		json.HTMLEscape(&want, []byte(text))
		if out.String() != want.String() {
			t.Errorf("printed\n%s\nwant\n%s", out.String(), want.String())
		}
	}
}

func TestPrintList(t *testing.T) {
	states := []*libcontainer.State{state(t, stopped), state(t, running)}
	tests := []struct {
		name  string
		print func(*app) error
		want  string
	}{
		{"table", func(a *app) error { return a.printTable(states) }, `` +
			"ID            PID         STATUS      BUNDLE             CREATED                          OWNER\n" +
			"web           0           stopped     /srv/web           2026-01-02T03:04:05.123456789Z   root\n" +
			"a-longer-id   4194304     running     /srv/\\x1b[31mred   2026-01-02T03:04:05Z             #4711\n"},
		{"ids", func(a *app) error { return a.printIDs(states) }, "web\na-longer-id\n"},
		{"json", func(a *app) error { return a.printStates(states[1:]) }, `[{"ociVersion":"1.3.0","id":"a-longer-id","pid":4194304,` +
			`"status":"running","bundle":"/srv/\u001b[31mred","rootfs":"/srv/web/rootfs","created":"2026-01-02T03:04:05Z","owner":"#4711"}]` + "\n"},
		{"no json", func(a *app) error { return a.printStates(nil) }, "null\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := tt.print(&app{stdout: &out}); err != nil {
				t.Fatal(err)
			}
			if out.String() != tt.want {
				t.Errorf("printed\n%s\nwant\n%s", out.String(), tt.want)
			}
		})
	}
}
