package parity

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

// An outcome is all that came of a call, by name: `exit code`, `Process.UID`, ... What no two calls have in common (ids,
// pids, paths) is replaced by what it stands for.
type outcome map[string]string

// matched are the texts that managers look for in an error.
var matched = []string{
	"container does not exist", "container not running", "container with given ID already exists",
	"executable file not found in $PATH", "no such file or directory", "permission denied", "operation not permitted",
	"is a directory", "not a directory", "cannot exec in a stopped container", "cannot exec in a paused container",
	"will detach without setting console socket", "will not detach or allocate tty", "invalid container ID format",
	"requires exactly", "requires a minimum of", "flag provided but not defined", "Incorrect Usage", "exec failed", "run failed",
}

// outcomeOf makes the call of a runtime.
func outcomeOf(t *testing.T, runtime string, call invocation) outcome {
	t.Helper()
	c := NewContainer(t, append(slices.Clone(kinds[call.kind]), Args("ignore-term"))...)
	c.UseRuntime(runtime)
	prepare(t, c, call)
	out := Dir(t)
	for name, text := range call.files {
		if err := os.WriteFile(filepath.Join(out, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names := strings.NewReplacer("@ID", c.ID, "@DIR", c.Dir, "@OUT", out)
	argv := []string{"--log", filepath.Join(out, "log"), "--log-format", "json"}
	for _, word := range call.words {
		argv = append(argv, names.Replace(word))
	}
	cmd := c.Command(argv...)
	cmd.Stdin = strings.NewReader(call.stdin)
	res := c.Do(cmd)

	back := strings.NewReplacer(c.ID, "@ID", c.Dir, "@DIR", out, "@OUT")
	o := outcome{"exit code": strconv.Itoa(res.Code)}
	o.output(t, res, back)
	o.log(t, filepath.Join(out, "log"))
	o["status afterwards"] = status(c)
	o.pidFile(c, filepath.Join(out, "pid"))
	return o
}

// prepare brings the container to where the call finds it.
func prepare(t *testing.T, c *Container, call invocation) {
	t.Helper()
	switch call.before {
	case "":
	case "created":
		c.Create()
	case "running":
		c.Create()
		c.Start()
	case "paused":
		c.Create()
		c.Start()
		c.Tare("pause", c.ID).OK(t)
		t.Cleanup(func() { c.Tare("resume", c.ID) }) // runc 1.1 cannot delete it
	case "stopped":
		pid := c.Create()
		c.Start()
		c.Tare("kill", c.ID, "KILL").OK(t)
		c.Wait(pid)
	default:
		t.Fatalf("no such state: %s", call.before)
	}
	if call.args != nil && call.before == "" {
		c.Spec.Process.Args = call.args
		c.WriteSpec(t)
	}
}

// output keeps a report's fields, or a text. Of a failure it keeps what managers look for.
func (o outcome) output(t *testing.T, res *Result, names *strings.Replacer) {
	var texts []string
	for _, text := range matched {
		if strings.Contains(res.Stderr, text) {
			texts = append(texts, text)
		}
	}
	o["error"] = strings.Join(texts, "; ")
	o["silent"] = fmt.Sprint(res.Stderr == "")
	if slices.Contains(res.Args, "-d") || slices.Contains(res.Args, "--detach") {
		return // of a process that goes on
	}
	var seen view.Report
	if json.Unmarshal([]byte(res.Stdout), &seen) != nil {
		if help := strings.Contains(res.Stdout, "USAGE"); help {
			o["output"] = "help"
		} else {
			o["output"] = names.Replace(res.Stdout)
		}
		return
	}
	o.report(t, &seen, names)
}

func (o outcome) pidFile(c *Container, path string) {
	if _, err := os.Stat(path); err != nil {
		o["pid file"] = "none"
		return
	}
	data, err := os.ReadFile(path)
	pid, convErr := strconv.Atoi(string(data))
	o["pid file"] = fmt.Sprintf("a number: %v, mode %v", err == nil && convErr == nil, mode(path))
	if child, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); convErr == nil && err == nil && child == 0 {
		// Init cannot end before all others in its PID namespace were waited for, by their parents: pid_namespaces(7).
		_ = unix.Kill(pid, unix.SIGKILL)
		c.Wait(pid)
	}
}

func mode(path string) os.FileMode {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Mode()
}

func (o outcome) log(t *testing.T, path string) {
	var levels []string
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		for _, record := range ReadLog(t, path) {
			levels = append(levels, record.Level)
		}
	}
	o["log"] = strings.Join(levels, " ")
}

func status(c *Container) string {
	if res := c.Tare("state", c.ID); res.Code != 0 {
		return "gone"
	}
	return string(c.State().Status)
}

// report flattens what the workload saw into one entry a value.
func (o outcome) report(t *testing.T, r *view.Report, names *strings.Replacer) {
	relate(t, r)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal([]byte(names.Replace(string(text))), &tree); err != nil {
		t.Fatal(err)
	}
	o.flatten("", tree)
}

func (o outcome) flatten(name string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			o.flatten(strings.TrimPrefix(name+"."+key, "."), member)
		}
	case []any:
		for i, member := range v {
			o.flatten(name+"."+label(member, i), member)
		}
	default:
		o[name] = fmt.Sprint(v)
	}
}

// label names an entry of a list by what it is, if it says so: a mount by its place, a device by its name.
func label(member any, i int) string {
	if m, ok := member.(map[string]any); ok {
		for _, key := range []string{"Point", "Name"} {
			if s, ok := m[key].(string); ok {
				return s
			}
		}
	}
	return strconv.Itoa(i)
}

// relate replaces what differs from run to run by what it means.
func relate(t *testing.T, r *view.Report) {
	p := &r.Process
	leads := func(id int) int {
		if id == p.PID {
			return 1
		}
		return 0
	}
	p.SID, p.PGID, p.PPID = leads(p.SID), leads(p.PGID), min(p.PPID, 1)
	p.PID = min(p.PID, 2)
	p.Threads = nil // of the probe's own Go runtime
	r.Clocks, r.Cgroups = view.Clocks{}, nil
	if r.Keyring != nil {
		r.Keyring.ID = 0
	}
	for kind, id := range r.Namespaces {
		own, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			t.Fatal(err)
		}
		r.Namespaces[kind] = map[bool]string{true: "the host's", false: "its own"}[id == own]
	}
	for i := range r.FDs {
		f := &r.FDs[i]
		f.Target, _, _ = strings.Cut(f.Target, ":[")
		if strings.HasSuffix(f.Target, " (deleted)") {
			f.Target = "the caller's"
		}
	}
	for i := range r.Mounts {
		m := &r.Mounts[i]
		m.ID, m.Parent, m.Device, m.Tags = 0, 0, "", slices.DeleteFunc(m.Tags, func(string) bool { return true })
	}
}

// differences tells where two outcomes are not the same.
func differences(a, b outcome) []string {
	var names []string
	all := maps.Clone(a)
	maps.Copy(all, b)
	for name := range all {
		if a[name] != b[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
