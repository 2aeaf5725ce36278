package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An omission is for specs of critest that are not played: those with the text in their names.
type omission struct {
	specs, why string
	optional   bool // only some hosts have such specs; any other omission of what is not there is a mistake
}

var omissions = []omission{
	{specs: "[k8s.io] Image Manager ", why: "they pull from a registry, and the runtime has no part in it"},
	{specs: "[k8s.io] Security Context UserNamespaces ", why: "containerd says from 2.0 on whether a runtime has user namespaces"},
	{specs: " recursive readonly mount", why: "containerd has recursive read-only volumes from 2.0 on"},
	{specs: " runtime should support MaskedPaths", why: "it masks a command that the shell of Debian's busybox has built in"},
	{specs: "[k8s.io] AppArmor ", why: "they load profiles into the host's kernel", optional: true},
	{specs: "[k8s.io] SELinux ", why: "they need the policy for containers of another distribution", optional: true},
}

// A spec is what ginkgo's report says of one, or of what is done before and after them all.
type spec struct {
	ContainerHierarchyTexts           []string
	LeafNodeType, LeafNodeText, State string
	RunTime                           time.Duration
	Failure                           struct{ Message string }
}

func (p *spec) name() string {
	return strings.Join(append(slices.Clone(p.ContainerHierarchyTexts), p.LeafNodeText), " ")
}

// A verdict is what became of a suite's specs. A fault is one that was neither passed nor left out, also where it says itself that it cannot
// be played; and an omission of what is not there.
type verdict struct {
	passed, all int
	known       []omission
	left        []int    // how many specs each omission is for
	lines       []string // one for each spec
	faults      []string
}

// judgeSpecs reads ginkgo's report of a run without the omitted specs.
func judgeSpecs(report []byte, known []omission) (*verdict, error) {
	var suites []struct{ SpecReports []spec }
	if err := json.Unmarshal(report, &suites); err != nil {
		return nil, err
	}
	v := &verdict{known: known, left: make([]int, len(known))}
	for _, suite := range suites {
		for i := range suite.SpecReports {
			v.add(&suite.SpecReports[i])
		}
	}
	for i, o := range known {
		if v.left[i] == 0 && !o.optional {
			v.faults = append(v.faults, fmt.Sprintf("no spec is named like %q, which is left out", o.specs))
		}
	}
	return v, nil
}

func (v *verdict) add(p *spec) {
	name := p.name()
	if p.LeafNodeType != "It" || strings.Contains(name, "benchmark") { // which the suite leaves out unless it is to do nothing else
		if p.State != "passed" && p.State != "skipped" {
			v.fault(p)
		}
		return
	}
	v.all++
	v.lines = append(v.lines, fmt.Sprintf("%s after %.1f s: %s", p.State, p.RunTime.Seconds(), name))
	i := slices.IndexFunc(v.known, func(o omission) bool { return strings.Contains(name, o.specs) })
	switch {
	case i >= 0 && p.State == "skipped":
		v.left[i]++
	case i < 0 && p.State == "passed":
		v.passed++
	default:
		v.fault(p)
	}
}

func (v *verdict) fault(p *spec) {
	v.faults = append(v.faults, fmt.Sprintf("%s %q: %s: %s", p.LeafNodeType, p.name(), p.State, strings.Join(strings.Fields(p.Failure.Message), " ")))
}

// String says how many specs passed, and why the others were left out.
func (v *verdict) String() string {
	line := fmt.Sprintf("%d of %d specs", v.passed, v.all)
	before := "; left out: "
	for i, o := range v.known {
		if v.left[i] > 0 {
			line += fmt.Sprintf("%s%d (%s)", before, v.left[i], o.why)
			before = ", "
		}
	}
	return line
}
