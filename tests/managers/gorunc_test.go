package managers

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// goRuncState and goRuncEvent are what go-runc decodes.
type goRuncState struct {
	ID          string            `json:"id"`
	Pid         int               `json:"pid"`
	Status      string            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations"`
}

type goRuncEvent struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Data *struct {
		CPU struct {
			Usage struct {
				Total  uint64   `json:"total"`
				Percpu []uint64 `json:"percpu"`
				Kernel uint64   `json:"kernel"`
				User   uint64   `json:"user"`
			} `json:"usage"`
			Throttling struct {
				Periods          uint64 `json:"periods"`
				ThrottledPeriods uint64 `json:"throttledPeriods"`
				ThrottledTime    uint64 `json:"throttledTime"`
			} `json:"throttling"`
		} `json:"cpu"`
		Memory struct {
			Cache                          uint64 `json:"cache"`
			Usage, Swap, Kernel, KernelTCP memoryEntry
			Raw                            map[string]uint64 `json:"raw"`
		} `json:"memory"`
		Pids struct {
			Current uint64 `json:"current"`
			Limit   uint64 `json:"limit"`
		} `json:"pids"`
		Blkio struct {
			Bytes    []blkioEntry `json:"ioServiceBytesRecursive"`
			Serviced []blkioEntry `json:"ioServicedRecursive"`
		} `json:"blkio"`
		Hugetlb           map[string]map[string]uint64 `json:"hugetlb"`
		NetworkInterfaces []struct{ Name string }      `json:"network_interfaces"`
	} `json:"data"`
}

type memoryEntry struct {
	Limit, Usage, Max, Failcnt uint64
}

type blkioEntry struct {
	Major, Minor uint64
	Op           string
	Value        uint64
}

func TestGoRunc_StateFields(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"), func(s *specs.Spec) { s.Annotations = map[string]string{"a": "b"} })
	pid := m.running()
	var s goRuncState
	decode(t, m.call("state", m.ID).OK(t).Stdout, &s)
	if s.ID != m.ID || s.Pid != pid || s.Status != "running" || s.Bundle != m.Dir || s.Rootfs != m.RootFS ||
		s.Created.IsZero() || s.Annotations["a"] != "b" {
		t.Errorf("%+v", s)
	}
}

// One value, of these types; more than one is read where events go on.
func TestGoRunc_Stats(t *testing.T) {
	t.Parallel()
	m := newGuardian(t, Args("sleep"))
	m.running()
	var e goRuncEvent
	text := m.call("events", "--stats", m.ID).OK(t).Stdout
	decode(t, text, &e)
	if e.Type != "stats" || e.ID != m.ID || e.Data == nil || e.Data.CPU.Usage.Total == 0 {
		t.Errorf("%s", text)
	}
}

// go-runc reads one value and closes the pipe: whoever writes more gets no word of it, and leaves in peace.
func TestGoRunc_EventsUntilNobodyReads(t *testing.T) {
	t.Parallel()
	m := newGuardian(t, Args("sleep"))
	m.running()
	reader, writer := Pipe(t)
	cmd := m.command("events", "--interval=1s", m.ID)
	complaints := m.File(t, "err")
	cmd.Stdout, cmd.Stderr = writer, complaints
	Begin(t, cmd)
	writer.Close()
	var e goRuncEvent
	decode(t, Expect(t, reader, "\n"), &e)
	if e.Type != "stats" || e.ID != m.ID {
		t.Errorf("%+v", e)
	}
	reader.Close()
	Finish(t, cmd)
	said, _ := os.ReadFile(complaints.Name())
	if code := ExitCode(cmd); code != 0 || len(said) != 0 {
		t.Errorf("exit code %d: %s", code, said)
	}
}

// Shapes of options that go-runc's callers of all ages use.
func TestGoRunc_SingleDashOptions(t *testing.T) {
	t.Parallel()
	m := newPlain(t, Args("sleep"))
	m.globals = []string{"-root", m.Root, "-log=" + m.log(), "-log-format", "json", "--rootless=auto", "--criu", "/usr/sbin/criu", "-debug=false"}
	pid := m.create("run", "-detach", "-no-subreaper", "-bundle", m.Dir, "-pid-file="+m.pidFile())
	m.silent("kill", "-all", m.ID, "9")
	m.Wait(pid)
	m.silent("delete", "-force", m.ID)
	m.noLog()
}

func TestGoRunc_OptionsInAnyOrderAndTwice(t *testing.T) {
	t.Parallel()
	m := newPlain(t, Args("sleep"))
	other := Dir(t)
	m.globals = []string{
		"--log-format", "text", "--systemd-cgroup=false", "--root", other, "--log=" + other + "/log", "--systemd-cgroup=false",
		"--rootless=false", "--log", m.log(), "--root=" + m.Root, "--rootless=auto", "--log-format=json",
	}
	m.create("create", "--pid-file", other+"/pid", "--bundle", other, "--bundle="+m.Dir, "--pid-file", m.pidFile())
	if entries, err := os.ReadDir(other); err != nil || len(entries) != 0 {
		t.Errorf("what was said first counts: %v, %v", entries, err)
	}
	m.silent("delete", "--force", "--force", m.ID)
	if strings.Contains(fmt.Sprint(m.Gone()), m.ID) {
		t.Errorf("left: %v", m.Gone())
	}
	// Podman says one of these twice; that they are taken shows in what is complained of.
	m.call("checkpoint", "--leave-running", "--image-path", other, "--leave-running", m.ID).Fails(t, "does not exist")
}

// go-runc's first line begins with "runc version ", which is there where the binary is called so.
func TestGoRunc_VersionText(t *testing.T) {
	t.Parallel()
	lines := strings.Split(versionOutput(t, asRunc(t)), "\n")
	if version, ok := strings.CutPrefix(lines[0], "runc version "); !ok || version == "" {
		t.Errorf("first line %q", lines[0])
	}
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "spec: 1.") }) {
		t.Errorf("no spec: in %q", lines)
	}
}
