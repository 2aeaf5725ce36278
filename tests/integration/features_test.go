package integration

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// The features document is true: each of its entries is put to use here. An entry without a proof fails the test; who
// switches one on gives it a line in one of the tables below.

// featureLists are the proofs of lists, by their place in the document: each gets the names, and must fail for one that it cannot prove.
var featureLists = map[string]func(*testing.T, []string){
	"hooks":                              proveHooks,
	"mountOptions":                       proveMountOptions, // features_mounts_test.go
	"linux.namespaces":                   each(proveNamespace),
	"linux.capabilities":                 proveCapabilities,
	"linux.seccomp.actions":              each(proveSeccompAction),
	"linux.seccomp.operators":            each(proveSeccompOperator),
	"linux.seccomp.archs":                each(proveSeccompArch),
	"linux.seccomp.knownFlags":           each(proveSeccompFlag),
	"linux.seccomp.supportedFlags":       each(proveSeccompFlag),
	"linux.memoryPolicy.modes":           each(proveMemoryMode),
	"linux.memoryPolicy.flags":           each(proveMemoryFlag),
	"potentiallyUnsafeConfigAnnotations": each(proveAnnotation),
}

// featureValues are the proofs of single values that are there.
var featureValues = map[string]func(*testing.T, string){
	"ociVersionMin":                                          proveVersion,
	"ociVersionMax":                                          proveVersion,
	"annotations.org.tare.version":                           proveBuild,
	"annotations.org.tare.commit":                            proveBuild,
	"annotations.org.tare.seccomp.engine":                    proveBuild,
	"annotations.org.opencontainers.runc.checkpoint.enabled": proveCheckpoint,
}

// featureSwitches are the proofs of what is on.
var featureSwitches = map[string]func(*testing.T){
	"linux.cgroup.v1":                     proveCgroupV1,
	"linux.cgroup.v2":                     proveCgroupV2,
	"linux.cgroup.systemd":                func(t *testing.T) { proveSystemd(t, false) },
	"linux.cgroup.systemdUser":            func(t *testing.T) { proveSystemd(t, true) },
	"linux.cgroup.rdma":                   proveRdma,
	"linux.seccomp.enabled":               func(t *testing.T) { proveSeccompFlag(t, "SECCOMP_FILTER_FLAG_LOG") },
	"linux.apparmor.enabled":              proveAppArmor,
	"linux.selinux.enabled":               proveSELinux,
	"linux.intelRdt.enabled":              TestRdt,
	"linux.intelRdt.schemata":             TestRdt,
	"linux.intelRdt.monitoring":           TestRdt,
	"linux.mountExtensions.idmap.enabled": TestIDMappedBinds,
	"linux.netDevices.enabled":            TestNetDevice,
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("is about tare's own document")
	}
	proven := map[string]bool{}
	walkFeatures("", featuresDocument(t), func(path string, value any) {
		proven[path] = true
		t.Run(path, func(t *testing.T) { proveFeature(t, path, value) })
	})
	// The document loses nothing without somebody noticing.
	for path := range featureLists {
		if !proven[path] {
			t.Errorf("the document has no %s", path)
		}
	}
	for path := range featureSwitches {
		if !proven[path] {
			t.Errorf("the document has no %s", path)
		}
	}
}

func featuresDocument(t *testing.T) map[string]any {
	t.Helper()
	c := NewContainer(t)
	res := c.Tare("features").OK(t)
	if res.Stderr != "" {
		t.Errorf("stderr: %q", res.Stderr)
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(res.Stdout), &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// walkFeatures goes to all values that are no objects, in order.
func walkFeatures(path string, value any, do func(string, any)) {
	object, ok := value.(map[string]any)
	if !ok {
		do(path, value)
		return
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		walkFeatures(strings.TrimPrefix(path+"."+key, "."), object[key], do)
	}
}

func proveFeature(t *testing.T, path string, value any) {
	switch v := value.(type) {
	case string:
		prove, ok := featureValues[path]
		if !ok {
			t.Fatalf("no proof for %s, which is %q", path, v)
		}
		prove(t, v)
	case []any:
		prove, ok := featureLists[path]
		if !ok {
			t.Fatalf("no proof for the list %s", path)
		}
		var names []string
		for _, name := range v {
			names = append(names, name.(string))
		}
		if len(names) == 0 {
			t.Errorf("%s is empty: it is to be left out then", path)
		}
		prove(t, names)
	case bool:
		proveSwitch(t, path, v)
	default:
		t.Fatalf("%s is a %T", path, value)
	}
}

func proveSwitch(t *testing.T, path string, on bool) {
	prove, ok := featureSwitches[path]
	if !ok || !on {
		t.Fatalf("no proof for %s, which is %t", path, on)
	}
	prove(t)
}

func each(prove func(*testing.T, string)) func(*testing.T, []string) {
	return func(t *testing.T, names []string) {
		for _, name := range names {
			t.Run(name, func(t *testing.T) { prove(t, name) })
		}
	}
}

func proveVersion(t *testing.T, version string) {
	NewContainer(t, func(s *specs.Spec) { s.Version = version }).Run().OK(t)
}

// proveBuild finds the value in what --version says.
func proveBuild(t *testing.T, value string) {
	if out := NewContainer(t).Tare("--version").OK(t).Stdout; !strings.Contains(out, value) {
		t.Errorf("--version says %q, without %q", out, value)
	}
}

// proveCheckpoint finds the commands: what they do without a CRIU that works, TestPodman_CheckpointThatFails and its neighbours say.
func proveCheckpoint(t *testing.T, value string) {
	if value != "true" {
		t.Errorf("checkpoint: %q", value)
	}
	for _, name := range []string{"checkpoint", "restore"} {
		NewContainer(t).Tare(name, "--help").OK(t)
	}
}

// proveHooks has a hook of each kind write its name. They are at the same path inside and outside.
func proveHooks(t *testing.T, kinds []string) {
	dir := Dir(t)
	program, log := filepath.Join(dir, "probe"), filepath.Join(dir, "log")
	data, err := os.ReadFile(Probe())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, data, 0o755); err != nil {
		t.Fatal(err)
	}
	config := map[string][]specs.Hook{}
	for _, kind := range kinds {
		config[kind] = []specs.Hook{{Path: program, Args: []string{"probe", "hook", log, kind}}}
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	c := NewContainer(t, BindMount(dir, dir), func(s *specs.Spec) {
		if err := json.Unmarshal(text, &s.Hooks); err != nil {
			t.Fatal(err)
		}
	})
	c.Run().OK(t)
	ran := HookNames(HookCalls(t, log))
	for _, kind := range kinds {
		if !slices.Contains(ran, kind) {
			t.Errorf("no %s hook ran, but %q", kind, ran)
		}
	}
}

func proveNamespace(t *testing.T, name string) {
	short := map[string]string{"mount": "mnt", "network": "net"}
	file := name
	if short[name] != "" {
		file = short[name]
	}
	NeedNamespace(t, file)
	edit := WithNamespace(specs.LinuxNamespaceType(name), "")
	if name == "user" {
		edit = WithUserNamespace(100000, 65536)
	}
	own, err := os.Readlink("/proc/self/ns/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if got := NewContainer(t, edit).Report().Namespaces[file]; got == "" || got == own {
		t.Errorf("%s namespace %q, ours is %q", name, got, own)
	}
}

// proveCapabilities asks for all in the bounding set, and wants those that this process can pass on.
func proveCapabilities(t *testing.T, names []string) {
	c := NewContainer(t, WithCaps(names...), Args("report"))
	res := c.Run()
	if strings.Contains(res.Stderr, "unknown capability") {
		t.Error(res.Stderr)
	}
	got := res.Report(t).Privileges.Bounding
	for number := range uintptr(len(names)) {
		can, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, number, 0, 0, 0)
		if err != nil {
			break // this kernel has fewer
		}
		if can == 1 && got&(1<<number) == 0 {
			t.Errorf("capability number %d is not in the bounding set %#x", number, got)
		}
	}
	if len(names) != unix.CAP_LAST_CAP+1 {
		t.Errorf("%d capabilities, the kernel's headers have %d", len(names), unix.CAP_LAST_CAP+1)
	}
}

// makingDirs is a filter on mkdir, with a rule for both of its calls; the probe's directory has the mode 0755.
func makingDirs(action specs.LinuxSeccompAction, op specs.LinuxSeccompOperator, value, valueTwo uint64) Edit {
	rule := func(name string, mode uint) specs.LinuxSyscall {
		r := specs.LinuxSyscall{Names: []string{name}, Action: action}
		if op != "" {
			r.Args = []specs.LinuxSeccompArg{{Index: mode, Value: value, ValueTwo: valueTwo, Op: op}}
		}
		return r
	}
	return func(s *specs.Spec) {
		s.Root.Readonly = false
		s.Process.Args = []string{"/probe", "mkdir", "/tmp/x"}
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{rule("mkdir", 1), rule("mkdirat", 2)},
		}
	}
}

// proveSeccompAction has a system call meet the action. Killing a single thread of a Go program would let the others wait
// for it, so those two are loaded and not met.
func proveSeccompAction(t *testing.T, action string) {
	said := map[string]string{"SCMP_ACT_ALLOW": "ok\n", "SCMP_ACT_LOG": "ok\n", "SCMP_ACT_ERRNO": "EPERM\n", "SCMP_ACT_TRACE": "ENOSYS\n"}
	codes := map[string]int{"SCMP_ACT_KILL_PROCESS": 128 + int(unix.SIGSYS), "SCMP_ACT_TRAP": 2} // Go's runtime exits with 2 of a signal
	c := NewContainer(t, makingDirs(specs.LinuxSeccompAction(action), "", 0, 0))
	switch action {
	case "SCMP_ACT_NOTIFY":
		TestNotify_Emulated(t)
		return
	case "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD":
		c.Spec.Process.Args = []string{"/probe", "report"}
		c.WriteSpec(t)
		if got := c.Run().Report(t).Privileges; got.SeccompFilters != 1 {
			t.Errorf("%d filters", got.SeccompFilters)
		}
		return
	}
	res := c.Run()
	if code, ok := codes[action]; ok {
		res.Exit(t, code)
	} else if said[action] == "" {
		t.Fatalf("no proof for the action %s", action)
	} else if res.Stdout != said[action] {
		t.Errorf("mkdir: %q %s, want %q", res.Stdout, res.Stderr, said[action])
	}
}

// proveSeccompOperator compares the mode of mkdir, 0755, with values that fit and that do not.
func proveSeccompOperator(t *testing.T, op string) {
	const mode = 0o755
	tests := map[string]struct{ fits, misses [2]uint64 }{
		"SCMP_CMP_EQ":        {[2]uint64{mode}, [2]uint64{mode - 1}},
		"SCMP_CMP_NE":        {[2]uint64{mode + 1}, [2]uint64{mode}},
		"SCMP_CMP_LT":        {[2]uint64{mode + 1}, [2]uint64{mode}},
		"SCMP_CMP_LE":        {[2]uint64{mode}, [2]uint64{mode - 1}},
		"SCMP_CMP_GT":        {[2]uint64{mode - 1}, [2]uint64{mode}},
		"SCMP_CMP_GE":        {[2]uint64{mode}, [2]uint64{mode + 1}},
		"SCMP_CMP_MASKED_EQ": {[2]uint64{0o700, 0o700}, [2]uint64{0o700, 0o600}},
	}
	tt, ok := tests[op]
	if !ok {
		t.Fatalf("no proof for the operator %s", op)
	}
	for values, want := range map[[2]uint64]string{tt.fits: "EPERM\n", tt.misses: "ok\n"} {
		c := NewContainer(t, makingDirs(specs.ActErrno, specs.LinuxSeccompOperator(op), values[0], values[1]))
		if got := c.Run().Stdout; got != want {
			t.Errorf("%s %#o: %q, want %q", op, values, got, want)
		}
	}
}

// proveSeccompArch loads a filter for the architecture, beside those of this machine, whose rule must still hold.
func proveSeccompArch(t *testing.T, arch string) {
	c := NewContainer(t, makingDirs(specs.ActErrno, "", 0, 0), func(s *specs.Spec) { s.Linux.Seccomp.Architectures = []specs.Arch{specs.Arch(arch)} })
	if got := c.Run(); got.Stdout != "EPERM\n" {
		t.Errorf("mkdir: %q %s", got.Stdout, got.Stderr)
	}
}

// proveSeccompFlag loads a filter with the flag. Without a listener the kernel refuses WAIT_KILLABLE_RECV, and tare does not hand it over.
func proveSeccompFlag(t *testing.T, flag string) {
	c := NewContainer(t, makingDirs(specs.ActErrno, "", 0, 0), func(s *specs.Spec) {
		s.Linux.Seccomp.Flags = []specs.LinuxSeccompFlag{specs.LinuxSeccompFlag(flag)}
	})
	res := c.Run()
	if res.Stdout != "EPERM\n" {
		t.Errorf("mkdir: %q %s", res.Stdout, res.Stderr)
	}
}
