package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// validation runs Kubernetes' own suite with a containerd of its own, both apart from the host: the suite has ports that are fixed, leaves
// shared memory behind, and asks its pods for web pages.
func validation(s *scene) {
	if _, err := exec.LookPath("critest"); err != nil {
		s.skipf("%v; tests/clients/cri-tools.sh builds it", err)
	}
	dir, err := os.MkdirTemp(s.dir, "v")
	if err != nil {
		s.failf("%v", err)
	}
	s.dir = dir
	before := cgroupsNamed(suiteParent)
	s.cleanup(func() {
		s.endProcesses(dir)
		s.removeNew(suiteParent, before)
	})
	s.apart()
	c := startCRI(s, &criContainerd{}, false)
	s.cleanup(func() { s.try(c.crictl("rmp", "--force", "--all")...) }) // of a suite that was interrupted
	c.needsNetwork(s)
	c.loadSuiteImages(s)
	c.critest(s)
	s.leftBehind("state", func() []string { return entries(c.manager.state()) })
	s.leftBehind("cgroups", func() []string {
		var all []string
		for _, parent := range cgroupsNamed(suiteParent) {
			below, _ := filepath.Glob(parent + "/*/")
			all = append(all, below...)
		}
		return all
	})
}

// suiteParent is the cgroup of the suite's pods, where the manager does not say whether it goes by systemd.
const suiteParent = "test.slice"

// loadSuiteImages makes the suite's images with what its specs need of them. Most have their names in the suite; one that is there is not pulled.
func (c *cri) loadSuiteImages(s *scene) {
	const registry = "registry.k8s.io/e2e-test-images/"
	const staging = "gcr.io/k8s-staging-cri-tools/"
	found, err := findImage()
	if err != nil {
		s.failf("%v", err)
	}
	files := suiteFiles(s)
	for _, m := range []image{
		// Two specs wait a minute for the end of a first process that minds no signal but this one.
		{name: suiteReference, command: []string{"sh"}, stopSignal: "SIGKILL"},
		{name: registry + "nginx:1.14-2", command: []string{"nginx", "master process"}},
		{name: registry + "httpd:2.4.39-4", command: []string{"sh", "-c", "echo httpd -D FOREGROUND; exec httpd -f -h /data"}},
		{name: staging + "hostnet-nginx-" + runtime.GOARCH + ":latest", command: []string{"httpd", "-f", "-p", "12003", "-h", "/data"}},
		{name: staging + "test-image-predefined-group:latest", command: []string{"sh"}, user: "1000"},
		{name: registry + "nonewprivs:1.3", command: []string{"set-uid-init", "-s", "--", "sh", "-c", effectiveUID}},
	} {
		m.busybox, m.files = found.busybox, files
		c.manager.load(s, &m)
		s.eventually("the image is known", func() error {
			if a := s.try(c.crictl("inspecti", "--quiet", m.name)...); a.code != 0 {
				return fmt.Errorf("%v", a)
			}
			return nil
		})
	}
}

// effectiveUID shows that of the shell's parent.
const effectiveUID = `awk '/^Uid:/ { print "Effective uid:", $3 }' /proc/$PPID/status`

const suiteReference = "localhost/tare-clients-critest:1"

// suiteFiles are the accounts and programs of the suite's images that busybox does not bring.
func suiteFiles(s *scene) map[string]imageFile {
	path, err := exec.LookPath("tini-static")
	if err != nil {
		s.failf("the suite's images need Debian's tini: %v", err)
	}
	tini, err := os.ReadFile(path)
	if err != nil {
		s.failf("%v", err)
	}
	return map[string]imageFile{
		"etc/passwd": {"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\ndefault-user:x:1000:1000::/home:/bin/sh\n", 0o644},
		"etc/group":  {"root:x:0:\nnobody:x:65534:\ndefault-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\n", 0o644},

		"data/index.html": {"hello\n", 0o644},
		"usr/bin/nginx":   {"#!/bin/sh\nmkdir -p /var/run && echo $$ >/var/run/nginx.pid\nhttpd -f -h /data\n", 0o755},

		"usr/bin/pgrep":        {"#!/bin/sh\nexec pidof \"$@\"\n", 0o755},
		"usr/bin/ipcs":         {"#!/bin/sh\nexec cat /proc/sysvipc/shm\n", 0o755},
		"usr/bin/set-uid-init": {string(tini), 0o4755}, // for an ordinary user busybox gives up what this bit brings
	}
}

// critest plays all specs but those left out.
func (c *cri) critest(s *scene) {
	images := s.write("images.yaml", "defaultTestContainerImage: "+suiteReference+"\n", 0o600)
	temporary := s.dir + "/tmp"
	if err := os.Mkdir(temporary, 0o755); err != nil {
		s.failf("%v", err)
	}
	result := s.dir + "/critest.json"
	command := []string{
		"env", "TMPDIR=" + temporary, "critest", "--runtime-endpoint", "unix://" + c.address, "--image-endpoint", "unix://" + c.address,
		"--test-images-file", images, "--ginkgo.no-color", "--ginkgo.seed", "1", "--ginkgo.json-report", result,
	}
	for _, o := range omissions {
		command = append(command, "--ginkgo.skip", regexp.QuoteMeta(o.specs))
	}
	a := s.try(command...)
	text, err := os.ReadFile(result)
	if err != nil {
		s.failf("%v: %v", err, a)
	}
	v, err := judgeSpecs(text, omissions)
	if err != nil {
		s.failf("%s: %v", result, err)
	}
	s.logf("%s", strings.Join(v.lines, "\n"))
	s.remarkf("%v", v)
	if v.faults != nil || v.passed == 0 || a.code != 0 {
		s.failf("critest ends with %d, %d specs passed; %s", a.code, v.passed, strings.Join(v.faults, "; "))
	}
}
