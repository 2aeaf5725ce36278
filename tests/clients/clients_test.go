package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func oneCell(own, peer outcome) *report {
	return &report{
		Environment: "hybrid", Machine: "Linux", Clients: []drivenClient{{Name: "podman", Version: "podman 4"}},
		Runtimes: []ociRuntime{{Name: "tare"}, {Name: "runc"}},
		Cells: []cell{
			{Client: "podman", Runtime: "tare", Feature: "run", Outcome: own, Reason: "a reason", Remark: "7 of 8 specs"},
			{Client: "podman", Runtime: "runc", Feature: "run", Outcome: peer, Remark: "7 of 8 specs", Figures: map[string]float64{"100 at once": 1.5}},
		},
	}
}

func TestFaults(t *testing.T) {
	explained := []deviation{{environment: "hybrid", client: "podman", feature: "run", why: "known", line: 3}}
	for _, test := range []struct {
		name      string
		own, peer outcome
		known     []deviation
		want      string // in the only fault; empty: none
	}{
		{"passes", passed, failed, nil, ""},
		{"fails with both, unexplained", failed, failed, nil, "nothing explains it"},
		{"fails with both, explained", failed, failed, explained, ""},
		{"fails alone, explained", failed, passed, explained, "passes with runc"},
		{"skipped alone", skipped, passed, nil, "passes with runc"},
		{"skipped with both", skipped, skipped, nil, ""},
		{"passes, explained", passed, passed, explained, "explained in line 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := oneCell(test.own, test.peer).faults(test.known, true)
			if test.want == "" && got != nil || test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
				t.Errorf("faults: %q, want one with %q", got, test.want)
			}
		})
	}
}

func TestDeviationsFile(t *testing.T) {
	known, err := readDeviations("deviations.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range known {
		if !slices.ContainsFunc(clients, func(c client) bool { return c.name == d.client }) {
			t.Errorf("line %d: no client %q", d.line, d.client)
		}
		if !slices.ContainsFunc(features, func(f feature) bool { return f.name == d.feature }) {
			t.Errorf("line %d: no feature %q", d.line, d.feature)
		}
	}
	path := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(path, []byte("hybrid | podman | run |\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readDeviations(path); err == nil {
		t.Error("a line without a reason is taken")
	}
}

func TestScene(t *testing.T) {
	play := func(do func(*scene)) *scene {
		s := &scene{ctx: context.Background(), dir: t.TempDir(), slow: 1}
		s.play(do)
		return s
	}
	cleaned := false
	s := play(func(s *scene) {
		s.cleanup(func() { cleaned = s.try("true").code == 0 })
		s.code(3, "sh", "-c", "exit 3")
		s.want("output", s.must("echo", "a b"), "a b")
		s.want("terminal", s.terminal(30, 99, "stty", "size").stdout, "30 99\n")
		if a := s.terminal(24, 80, "sh", "-c", "exit 7"); a.code != 7 {
			s.failf("code of a command with a terminal: %v", a)
		}
		s.must("false")
	})
	if s.outcome != failed || !strings.Contains(s.reason, "false: exit code 1") || !cleaned {
		t.Errorf("%s: %s; cleaned: %t\n%s", s.outcome, s.reason, cleaned, &s.record)
	}
	if s := play(func(*scene) {}); s.outcome != passed {
		t.Errorf("nothing to do: %s: %s", s.outcome, s.reason)
	}
	if s := play(func(*scene) { panic("oh") }); s.outcome != failed {
		t.Errorf("a panic: %s", s.outcome)
	}
}

func TestUpdate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.md")
	frame := "before\n<!-- results: hybrid -->\nold\n<!-- end of results: hybrid -->\nafter\n"
	if err := os.WriteFile(path, []byte(frame), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := oneCell(failed, passed).update(path, nil); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"before\n", "\nafter\n", "| run | **✗** ✓ |", "podman, run, tare: failed: a reason", "* podman, run, tare and runc: 7 of 8 specs\n", "| podman: 100 at once |  | 1.50 |\n"} {
		if !strings.Contains(string(got), part) {
			t.Errorf("%q is not in:\n%s", part, got)
		}
	}
	if strings.Contains(string(got), "old") {
		t.Error("the old table is still there")
	}
}

// What a run with one client finds takes the place of what it was, and nothing else.
func TestReport_Merge(t *testing.T) {
	r, later := oneCell(failed, passed), oneCell(passed, skipped)
	later.Runtimes = append(later.Runtimes, ociRuntime{Name: "crun"})
	later.Clients = []drivenClient{{Name: "docker", Version: "Docker 1"}, {Name: "podman", Absent: "gone"}}
	later.Cells = append(later.Cells[:1], cell{Client: "docker", Runtime: "crun", Feature: "run", Outcome: passed})
	r.merge(later)
	if names := r.runtimeNames(); !slices.Equal(names, []string{"tare", "runc", "crun"}) {
		t.Errorf("runtimes %v", names)
	}
	if len(r.Clients) != 2 || r.Clients[0].Name != "docker" || r.Clients[1].Version != "podman 4" {
		t.Errorf("clients %+v", r.Clients)
	}
	var got []string
	for _, c := range r.Cells {
		got = append(got, c.Client+" "+c.Runtime+" "+string(c.Outcome))
	}
	if want := []string{"docker crun passed", "podman tare passed", "podman runc passed"}; !slices.Equal(got, want) {
		t.Errorf("cells %q, want %q", got, want)
	}
}

func TestOptions_Plays(t *testing.T) {
	for pattern, want := range map[string]int{"": len(clients), "^docker$": 1, "docker": 2, "docker, systemd": 1, "nothing": 0} {
		var o options
		if err := o.wants(pattern); err != nil {
			t.Fatal(err)
		}
		n := 0
		for i := range clients {
			if o.plays(&clients[i]) {
				n++
			}
		}
		if n != want {
			t.Errorf("%q: %d clients, want %d", pattern, n, want)
		}
	}
	if err := new(options).wants("("); err == nil {
		t.Error("no regular expression is taken")
	}
}

// The document's list of features is the program's.
func TestFeaturesDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "<!-- features -->\n")
	got, _, _ := strings.Cut(rest, "<!-- end of features -->\n")
	want := "| feature | means |\n|---|---|\n"
	for _, f := range features {
		want += "| " + f.name + " | " + f.means + " |\n"
	}
	if got != want {
		t.Errorf("docs/clients.md has the features\n%swant\n%s", got, want)
	}
}

// A client that is not there is no error, unless all are wanted.
func TestPlayClient_Absent(t *testing.T) {
	c := &client{name: "docker", version: func(context.Context) (string, error) { return "", errors.New("not installed") }}
	r := oneCell(passed, passed)
	if err := playClient(context.Background(), &options{}, c, r); err != nil || r.Clients[1].Absent != "not installed" {
		t.Errorf("%v, clients %+v", err, r.Clients)
	}
	if err := playClient(context.Background(), &options{required: true}, c, r); err == nil {
		t.Error("it is wanted, and not missed")
	}
}

func TestPlayTwice(t *testing.T) {
	for _, failures := range []int{0, 1, 2} {
		calls := 0
		c := playTwice(context.Background(), &options{limit: time.Minute, slow: 1}, &client{name: "podman"}, &scene{dir: t.TempDir(), slow: 1}, "run", func(s *scene) {
			if calls++; calls <= failures {
				s.failf("failure %d", calls)
			}
		})
		want := cell{Client: "podman", Feature: "run", Outcome: passed}
		if failures > 0 {
			want.First = "failure 1"
		}
		if failures > 1 {
			want.Outcome, want.Reason = failed, "failure 1; when it was tried again: failure 2"
		}
		if c.Seconds = 0; !reflect.DeepEqual(c, want) {
			t.Errorf("%d failures: %+v, want %+v", failures, c, want)
		}
	}
}
