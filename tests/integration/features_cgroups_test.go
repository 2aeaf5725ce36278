package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// Proofs of what the features document says about cgroups. Each needs a host of its kind; `make test-vm` has those that this machine is not.

func pidsLimit(s *specs.Spec) {
	s.Linux.Resources.Pids = &specs.LinuxPids{Limit: new(int64(77))}
}

func provePidsLimit(t *testing.T) {
	c := NewContainer(t, Args("sleep"), pidsLimit)
	if got := CgroupFile(t, CgroupOf(t, c.Create(), "pids"), "pids.max"); got != "77" {
		t.Errorf("pids.max is %s", got)
	}
}

func proveCgroupV1(t *testing.T) {
	needV1(t)
	provePidsLimit(t)
}

func proveCgroupV2(t *testing.T) {
	NeedController(t, "pids")
	provePidsLimit(t)
}

func proveSystemd(t *testing.T, ordinary bool) {
	NeedSystemd(t)
	owner := rootUnits
	if ordinary {
		owner = lingering(t)
	}
	u := owner.newUnit(t, pidsLimit)
	u.create(t)
	if got := u.show(t)["TasksMax"]; got != "77" {
		t.Errorf("TasksMax is %s", got)
	}
}

// proveRdma sets a limit of a device where there is one. Where there is none the error tells that the value got as far as the controller.
func proveRdma(t *testing.T) {
	device := "no-such-device"
	if all, _ := filepath.Glob("/sys/class/infiniband/*"); len(all) > 0 {
		device = filepath.Base(all[0])
	}
	c := NewContainer(t, Args("sleep"), func(s *specs.Spec) {
		s.Linux.Resources.Rdma = map[string]specs.LinuxRdma{device: {HcaHandles: new(uint32(2))}}
	})
	if device == "no-such-device" {
		c.Run().Fails(t, "/linux/resources/rdma")
		return
	}
	if got := CgroupFile(t, CgroupOf(t, c.Create(), "rdma"), "rdma.max"); !strings.Contains(got, device+" hca_handle=2 ") {
		t.Errorf("rdma.max is %q", got)
	}
}

// proveAnnotation sets a property of a unit, one that the list in package cgroups/systemd has, or has CRIU told of its configuration.
func proveAnnotation(t *testing.T, prefix string) {
	if prefix == "org.criu.config" {
		proveCRIUConfig(t, prefix)
		return
	}
	if prefix != "org.systemd.property." {
		t.Fatalf("no proof for annotations %s", prefix)
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		c := NewContainer(t, func(s *specs.Spec) { s.Annotations = map[string]string{prefix + "TimeoutStopUSec": "uint64 123000000"} })
		c.Run().OK(t) // to everybody but systemd it is an annotation like any other
	}
	NeedSystemd(t)
	u := rootUnits.newUnit(t, func(s *specs.Spec) { s.Annotations = map[string]string{prefix + "TimeoutStopUSec": "uint64 123000000"} })
	u.create(t)
	if got := u.show(t)["TimeoutStopUSec"]; got != "2min 3s" {
		t.Errorf("TimeoutStopUSec is %s", got)
	}
}

func proveCRIUConfig(t *testing.T, annotation string) {
	NeedRoot(t)
	bin, config := Dir(t), "/nowhere/criu.conf"
	script := "#!/bin/sh\ndd bs=64k count=1 <&3 >$0.request 2>/dev/null\n"
	if err := os.WriteFile(filepath.Join(bin, "criu"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	c := NewContainer(t, Args("sleep"), func(s *specs.Spec) { s.Annotations = map[string]string{annotation: config} })
	c.Create()
	c.Start()
	cmd := c.Command("checkpoint", "--image-path", filepath.Join(c.Dir, "images"), c.ID)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	c.Do(cmd).Fails(t, "criu died")
	if request, err := os.ReadFile(filepath.Join(bin, "criu.request")); err != nil || !strings.Contains(string(request), config) {
		t.Errorf("CRIU was told %q, %v", request, err)
	}
}
