package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// critest plays the specs of Kubernetes' own validation suite whose names match the expression; one at least must have passed. What is
// skipped says why in the record: the suite leaves out what the manager does not have.
func (c *cri) critest(s *scene, focus string) {
	images := s.write("images.yaml", "defaultTestContainerImage: "+reference+"\n", 0o600)
	result := s.dir + "/critest.json"
	a := s.try("critest", "--config", c.config, "--runtime-endpoint", "unix://"+c.address, "--test-images-file", images,
		"--ginkgo.no-color", "--ginkgo.focus", focus, "--ginkgo.json-report", result)
	text, err := os.ReadFile(result)
	if err != nil {
		s.failf("%v: %v", err, a)
	}
	var suites []struct {
		SpecReports []struct {
			LeafNodeText, State string
			Failure             struct{ Message string }
		}
	}
	if err := json.Unmarshal(text, &suites); err != nil {
		s.failf("%s: %v", result, err)
	}
	passes := 0
	var wrong []string
	for _, suite := range suites {
		for _, spec := range suite.SpecReports {
			switch spec.State {
			case "passed":
				passes++
			case "failed", "panicked", "timedout", "interrupted", "aborted":
				wrong = append(wrong, fmt.Sprintf("critest: %s: %s", spec.LeafNodeText, spec.Failure.Message))
			}
		}
	}
	if wrong != nil || a.code != 0 || passes == 0 {
		s.failf("%d specs passed with exit code %d; %s", passes, a.code, strings.Join(wrong, "; "))
	}
}

// with is a feature's function, and then the specs of critest about the same. Left out are those of images that only a registry has, or of
// programs that Debian's busybox has not, and all with systemd: this release asks the manager for the cgroup driver, which containerd says
// from 2.0 on, and takes the default parent, which is no slice.
func (c *cri) with(focus string, do func(*scene)) func(*scene) {
	if c.systemd {
		return do
	}
	return func(s *scene) {
		do(s)
		c.critest(s, focus)
	}
}
