package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ginkgoReport has a report of specs, given as "name: state".
func ginkgoReport(specs ...string) []byte {
	nodes := []string{`{"LeafNodeType": "BeforeSuite", "LeafNodeText": "", "State": "passed"}`}
	for _, s := range append(specs, "PodSandbox benchmark about start: skipped") {
		name, state, _ := strings.Cut(s, ": ")
		group, leaf, _ := strings.Cut(name, " ")
		nodes = append(nodes, fmt.Sprintf(`{"LeafNodeType": "It", "ContainerHierarchyTexts": ["[k8s.io] %s", "runtime"], "LeafNodeText": %q,
			"State": %q, "RunTime": 1500000000, "Failure": {"Message": "because"}}`, group, leaf, state))
	}
	return []byte(`[{"SpecReports": [` + strings.Join(nodes, ",") + `]}]`)
}

func TestJudgeSpecs(t *testing.T) {
	known := []omission{{specs: "[k8s.io] Image ", why: "registry"}, {specs: "[k8s.io] SELinux ", why: "policy", optional: true}}
	for _, test := range []struct {
		name, want, fault string
		report            []byte
	}{
		{"all is well", "1 of 3 specs; left out: 2 (registry)", "", ginkgoReport("Pod run: passed", "Image pull: skipped", "Image list: skipped")},
		{"optional", "1 of 3 specs; left out: 1 (registry), 1 (policy)", "", ginkgoReport("Pod run: passed", "Image pull: skipped", "SELinux label: skipped")},
		{
			"a failure", "0 of 2 specs; left out: 1 (registry)", `It "[k8s.io] Pod runtime run": failed: because`,
			ginkgoReport("Pod run: failed", "Image pull: skipped"),
		},
		{"skips itself", "0 of 2 specs; left out: 1 (registry)", "skipped: because", ginkgoReport("Pod run: skipped", "Image pull: skipped")},
		{"left out, and yet played", "1 of 3 specs; left out: 1 (registry)", "passed", ginkgoReport("Pod run: passed", "Image a: skipped", "Image b: passed")},
		{"nothing to leave out", "1 of 1 specs", `no spec is named like "[k8s.io] Image "`, ginkgoReport("Pod run: passed")},
		{
			"set-up", "0 of 1 specs; left out: 1 (registry)", `BeforeSuite "": failed`,
			[]byte(strings.Replace(string(ginkgoReport("Image pull: skipped")), `"passed"`, `"failed"`, 1)),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, err := judgeSpecs(test.report, known)
			if err != nil {
				t.Fatal(err)
			}
			if v.String() != test.want {
				t.Errorf("%v, want %s", v, test.want)
			}
			if got := strings.Join(v.faults, "; "); (got == "") != (test.fault == "") || !strings.Contains(got, test.fault) || len(v.faults) > 1 {
				t.Errorf("faults: %q, want one with %q", v.faults, test.fault)
			}
		})
	}
	if _, err := judgeSpecs([]byte("Ran 1 of"), known); err == nil {
		t.Error("a report that is no JSON is taken")
	}
}

// What a scene executes apart from the host has namespaces of its own, which go with it.
func TestApart(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("namespaces need root")
	}
	s := &scene{ctx: context.Background(), dir: t.TempDir(), slow: 1}
	s.play(func(s *scene) {
		host := s.must("readlink", "/proc/self/ns/mnt", "/proc/self/ns/net", "/proc/self/ns/ipc")
		s.apart()
		for line := range strings.Lines(host) {
			kind, _, _ := strings.Cut(line, ":")
			if own := s.must("readlink", "/proc/self/ns/"+kind); own == strings.TrimSpace(line) {
				s.failf("the host's: %s", own)
			}
		}
		s.must("mount", "-t", "tmpfs", "tmpfs", s.dir)
		s.contains("the loopback device", s.must("ip", "link", "show", "lo"), "UP")
		if all := mountsBelow(filepath.Dir(s.dir)); all != nil {
			s.failf("the host sees mounts: %q", all)
		}
	})
	if s.outcome != passed {
		t.Errorf("%s: %s\n%s", s.outcome, s.reason, &s.record)
	}
}

func TestEndProcesses(t *testing.T) {
	s := &scene{ctx: context.Background(), dir: t.TempDir(), slow: 1}
	name := filepath.Base(filepath.Dir(s.dir)) + "-left" // a directory's name is not to be found elsewhere
	s.play(func(s *scene) {
		left := s.start("env", "DIR=/var/tmp/"+name, "sleep", "60")
		other := s.start("sleep", "60")
		s.endProcesses("/var/tmp/" + name)
		s.want("who was started for the directory", fmt.Sprint(s.wait(left).code), "-1")
		if !runs(other.cmd.Process.Pid) {
			s.failf("another process was ended")
		}
	})
	if s.outcome != passed {
		t.Errorf("%s: %s\n%s", s.outcome, s.reason, &s.record)
	}
}
