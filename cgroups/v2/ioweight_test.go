package v2

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A device's weight goes to whichever of BFQ and io.cost the device has. Both are settings of the host: so only in the guest.
func TestDeviceWeights(t *testing.T) {
	if os.Getenv("TARE_VM_GUEST") == "" {
		t.Skip("changes the scheduler of a disk, which only the guest of tests/vm has to spare")
	}
	const disk = "nvme0n2"
	text, err := os.ReadFile("/sys/block/" + disk + "/dev")
	if err != nil {
		t.Skip("this guest has no such disk:", err)
	}
	name := strings.TrimSpace(string(text))
	var dev specs.LinuxBlockIODevice
	if _, err := fmt.Sscanf(name, "%d:%d", &dev.Major, &dev.Minor); err != nil {
		t.Fatal(err)
	}
	weight := func(w uint16) specs.LinuxResources {
		return specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{{LinuxBlockIODevice: dev, Weight: &w}}}}
	}
	set := func(file, value string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	tree, root := scratch(t)
	c := create(t, tree, root+"/x/c", Setting{File: "io.weight", Value: "default 100"})

	if err := update(c, weight(100)); !errors.Is(err, unix.EOPNOTSUPP) || !strings.Contains(err.Error(), "linux.resources.blockIO.weightDevice[0].weight (/linux/resources/blockIO/weightDevice/0/weight): write ") ||
		!strings.HasSuffix(err.Error(), "the device has neither the BFQ scheduler nor io.cost.qos enabled") {
		t.Errorf("neither: %v", err)
	}
	set("/sys/fs/cgroup/io.cost.qos", name+" enable=1")
	if err := update(c, weight(100)); err != nil {
		t.Errorf("io.cost: %v", err)
	}
	c.has(t, map[string]string{"io.weight": "default 100\n" + name + " 910"})

	if out, err := exec.Command("modprobe", "bfq").CombinedOutput(); err != nil {
		t.Skipf("no BFQ: %v: %s", err, out)
	}
	// BFQ's file is there now, but the device does not have BFQ.
	if err := update(c, weight(1000)); err != nil {
		t.Errorf("io.cost beside BFQ: %v", err)
	}
	c.has(t, map[string]string{"io.weight": "default 100\n" + name + " 10000"})
	set("/sys/fs/cgroup/io.cost.qos", name+" enable=0")
	set("/sys/block/"+disk+"/queue/scheduler", "bfq")
	res := weight(500)
	res.BlockIO.Weight = new(uint16(200))
	if err := update(c, res); err != nil {
		t.Errorf("BFQ: %v", err)
	}
	c.has(t, map[string]string{"io.bfq.weight": "default 200\n" + name + " 500"})
	alone := specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{Weight: new(uint16(250))}}
	if err := update(c, alone); err != nil {
		t.Errorf("the weight of all: %v", err)
	}
	c.has(t, map[string]string{"io.bfq.weight": "default 250\n" + name + " 500"})
	// And what fails after it takes it back.
	res = weight(700)
	res.BlockIO.Weight, res.Unified = new(uint16(300)), map[string]string{"io.nothing": "1"}
	if err := update(c, res); err == nil || strings.Contains(err.Error(), "and then") {
		t.Errorf("got %v", err)
	}
	c.has(t, map[string]string{"io.bfq.weight": "default 250\n" + name + " 500"})
	set("/sys/block/"+disk+"/queue/scheduler", "none")
}
