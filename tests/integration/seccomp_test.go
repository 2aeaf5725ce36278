package integration

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// Names and numbers of all system calls, from the kernel's headers, as golang.org/x/sys/unix has them.
var (
	//go:embed testdata/syscalls-amd64.txt
	syscallsAMD64 string
	//go:embed testdata/syscalls-arm64.txt
	syscallsARM64 string
)

func syscallNames(t *testing.T) map[int]string {
	t.Helper()
	text := ""
	switch runtime.GOARCH {
	case "amd64":
		text = syscallsAMD64
	case "arm64":
		text = syscallsARM64
	default:
		t.Skipf("no table of system calls for %s in testdata", runtime.GOARCH)
	}
	names := map[int]string{}
	for line := range strings.Lines(text) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		names[n] = name
	}
	return names
}

func uintPtr(n uint) *uint { return &n }

func TestSeccompSmallProfile(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	profile := func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow,
			Syscalls: []specs.LinuxSyscall{
				{Names: []string{"mkdir", "mkdirat"}, Action: specs.ActErrno, ErrnoRet: uintPtr(uint(unix.EXDEV))},
				{Names: []string{"no_such_call", "mknod", "mknodat"}, Action: specs.ActErrno},
			},
		}
	}
	for name, tt := range map[string]struct {
		args []string
		out  string
	}{
		"errno of the rule": {[]string{"mkdir", "/tmp/x"}, "EXDEV\n"},
		"default errno":     {[]string{"mknod", "/tmp/x", "p", "0", "0"}, "EPERM\n"},
		"allowed":           {[]string{"write", "/tmp/x", "text"}, "ok\n"},
	} {
		for _, nnp := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", no new privileges ", nnp), func(t *testing.T) {
				t.Parallel()
				c := NewContainer(t, WritableRoot, profile, Args(tt.args...), func(s *specs.Spec) { s.Process.NoNewPrivileges = nnp })
				if res := c.Run(); res.Stdout != tt.out {
					t.Errorf("%v: %q %s, want %q", tt.args, res.Stdout, res.Stderr, tt.out)
				}
			})
		}
	}
	t.Run("mode", func(t *testing.T) {
		if got := NewContainer(t, profile).Report().Privileges; got.Seccomp != 2 || got.SeccompFilters != 1 {
			t.Errorf("seccomp mode %d, %d filters", got.Seccomp, got.SeccompFilters)
		}
	})
	t.Run("off", func(t *testing.T) {
		if got := NewContainer(t).Report().Privileges; got.Seccomp != 0 || got.SeccompFilters != 0 {
			t.Errorf("seccomp mode %d, %d filters", got.Seccomp, got.SeccompFilters)
		}
	})
}

func TestSeccompKill(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for action, want := range map[specs.LinuxSeccompAction]int{specs.ActKillProcess: 128 + int(unix.SIGSYS)} {
		t.Run(string(action), func(t *testing.T) {
			c := NewContainer(t, WritableRoot, Args("mkdir", "/tmp/x"), func(s *specs.Spec) {
				s.Linux.Seccomp = &specs.LinuxSeccomp{
					DefaultAction: specs.ActAllow,
					Syscalls:      []specs.LinuxSyscall{{Names: []string{"mkdir", "mkdirat"}, Action: action}},
				}
			})
			c.Run().Exit(t, want)
		})
	}
}

func TestSeccompErrors(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, profile := range map[string]*specs.LinuxSeccomp{
		"unknown action":   {DefaultAction: "SCMP_ACT_NONSENSE"},
		"unknown operator": {DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Op: "SCMP_CMP_XX"}}}}},
		"argument 6":       {DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Index: 6, Op: specs.OpEqualTo}}}}},
		"unknown flag":     {DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_NONSENSE"}},
		"architecture":     {DefaultAction: specs.ActAllow, Architectures: []specs.Arch{"SCMP_ARCH_ABACUS"}},
		"no execve":        {DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"exit_group"}, Action: specs.ActAllow}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "no execve" && !IsTare() {
				t.Skip("others find out when it is too late to tell")
			}
			c := NewContainer(t, func(s *specs.Spec) { s.Linux.Seccomp = profile })
			c.Run().Exit(t, 1)
			if left := c.Gone(); left != nil && !IsCrun() {
				t.Errorf("left %v", left)
			}
		})
	}
}

// verdict is what a profile says about a call whose arguments are all of all bits, in the way that libseccomp reads
// it: the profiles here have no two rules of different actions for such a call.
func verdict(profile *specs.LinuxSeccomp, name string) (specs.LinuxSeccompAction, unix.Errno) {
	for _, rule := range profile.Syscalls {
		for _, n := range rule.Names {
			same := rule.Action == profile.DefaultAction && errnoOf(rule.ErrnoRet) == errnoOf(profile.DefaultErrnoRet)
			if n == name && !same && argsMatch(rule.Args) {
				return rule.Action, errnoOf(rule.ErrnoRet)
			}
		}
	}
	return profile.DefaultAction, errnoOf(profile.DefaultErrnoRet)
}

func errnoOf(ret *uint) unix.Errno {
	if ret == nil {
		return unix.EPERM
	}
	return unix.Errno(*ret)
}

func argsMatch(args []specs.LinuxSeccompArg) bool {
	const value = ^uint64(0)
	for _, arg := range args {
		ok := false
		switch arg.Op {
		case specs.OpEqualTo:
			ok = value == arg.Value
		case specs.OpNotEqual:
			ok = value != arg.Value
		case specs.OpGreaterEqual, specs.OpGreaterThan:
			ok = value > arg.Value || value == arg.Value && arg.Op == specs.OpGreaterEqual
		case specs.OpLessThan, specs.OpLessEqual:
			ok = value < arg.Value || value == arg.Value && arg.Op == specs.OpLessEqual
		case specs.OpMaskedEqual:
			ok = value&arg.Value == arg.ValueTwo
		}
		if !ok {
			return false
		}
	}
	return true
}

// Docker's default profile, with an errno that no call gives by itself in place of EPERM: every system call of this
// architecture gets the profile's verdict, or the same answer as without any profile.
func TestSeccompDockerProfile(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	names := syscallNames(t)
	spec := DefaultSpec()
	profile, err := seccomp.GetDefaultProfile(spec)
	if err != nil {
		t.Fatal(err)
	}
	const denied = unix.ENOTUNIQ
	profile.DefaultErrnoRet = uintPtr(uint(denied))
	outcomes := func(edits ...Edit) map[int]string {
		c := NewContainer(t, append(edits, Args("syscalls", "480"))...)
		var got map[int]string
		if err := json.Unmarshal([]byte(c.Run().OK(t).Stdout), &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	plain := outcomes()
	filtered := outcomes(func(s *specs.Spec) { s.Linux.Seccomp = profile })

	allowed, refused := 0, 0
	unknown := unknownToEngine(t, filtered)
	for nr := range unknown {
		name, known := names[nr]
		if !known || name == "uprobe" || name == "uretprobe" {
			continue // these two the kernel lets past every filter (since 6.18 and 6.12), as it makes them itself
		}
		action, errno := verdict(profile, name)
		want := plain[nr]
		if action == specs.ActErrno {
			want = strconv.Itoa(int(errno))
			refused++
		} else {
			allowed++
		}
		// A call that is younger than the profile is ENOSYS, so that libraries fall back.
		if younger := filtered[nr] == strconv.Itoa(int(unix.ENOSYS)) && action == profile.DefaultAction && nr > newest(profile, names); younger {
			continue
		}
		if filtered[nr] != want {
			t.Errorf("%s (%d): %s, want %s for %s (without a profile %s)", name, nr, filtered[nr], want, action, plain[nr])
		}
	}
	if allowed < 200 || refused < 30 {
		t.Errorf("%d allowed and %d refused: the comparison is not worth much", allowed, refused)
	}
	if got := filtered[479]; IsTare() && got != strconv.Itoa(int(unix.ENOSYS)) {
		t.Errorf("a call that does not exist yet: %s, want ENOSYS", got)
	}
}

// unknownToEngine is the number from which on all calls fail with ENOSYS because libseccomp does not know them, in a build with
// libseccomp that is older than the profile. tare's own engine knows all.
func unknownToEngine(t *testing.T, filtered map[int]string) int {
	t.Helper()
	end := len(filtered)
	if !IsTare() {
		return end
	}
	out, err := exec.Command(Runtime(), "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "seccomp: libseccomp") {
		return end
	}
	for end > 0 && filtered[end-1] == strconv.Itoa(int(unix.ENOSYS)) {
		end--
	}
	const oldest = 447 // memfd_secret: libseccomp 2.5.4 knows more
	if end <= oldest {
		t.Errorf("all calls from number %d on are ENOSYS", end)
	}
	return end
}

// newest is the highest number that the profile names.
func newest(profile *specs.LinuxSeccomp, names map[int]string) int {
	numbers := map[string]int{}
	for nr, name := range names {
		numbers[name] = nr
	}
	high := 0
	for _, rule := range profile.Syscalls {
		for _, name := range rule.Names {
			high = max(high, numbers[name])
		}
	}
	return high
}
