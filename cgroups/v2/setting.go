package v2

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// Setting is one write(2) to a file of the cgroup.
type Setting struct {
	File    string // such as "memory.max"
	Value   string
	Pointer string // JSON pointer of the config.json field that asks for it, such as "/linux/resources/memory/limit"
	// OrFile and OrValue are written instead where File does not exist, or does not take it for the device.
	OrFile, OrValue string
	// IfPresent: the setting only says again what holds where the file does not exist.
	IfPresent bool
}

// Controller is the one whose file this is, or "" for the files every cgroup has (cgroup.*, and *.pressure).
func (s Setting) Controller() string {
	name, rest, _ := strings.Cut(s.File, ".")
	if name == "cgroup" || rest == "pressure" {
		return ""
	}
	return name
}

// Settings says what is to be written for the limits of a config.json, in order. Device rules are not among them. Limits
// that cgroup v2 cannot hold are an error, unless they ask for what is so anyway.
func Settings(res *specs.LinuxResources) ([]Setting, error) {
	if res == nil {
		return nil, nil
	}
	out := make([]Setting, 0, 8)
	var err error
	if out, err = memory(out, res.Memory); err != nil {
		return nil, err
	}
	if out, err = cpu(out, res.CPU); err != nil {
		return nil, err
	}
	if out, err = pids(out, res.Pids); err != nil {
		return nil, err
	}
	if out, err = blockIO(out, res.BlockIO); err != nil {
		return nil, err
	}
	if out, err = hugetlb(out, res.HugepageLimits); err != nil {
		return nil, err
	}
	if out, err = rdma(out, res.Rdma); err != nil {
		return nil, err
	}
	if err := network(res.Network); err != nil {
		return nil, err
	}
	// Last, so that what is said in the kernel's own words wins over what was translated.
	return unified(out, res.Unified)
}

// Field writes a JSON pointer as errors do: the field's name, then the pointer in parentheses.
func Field(pointer string) string {
	var b strings.Builder
	for i, part := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		if _, err := strconv.Atoi(part); err == nil {
			b.WriteString("[" + part + "]")
			continue
		}
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		if strings.Contains(part, ".") {
			b.WriteString("[" + strconv.Quote(part) + "]")
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(part)
	}
	return b.String() + " (" + pointer + ")"
}

// escape makes a name fit for a JSON pointer (RFC 6901).
func escape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

func fieldError(pointer, format string, a ...any) error {
	return fmt.Errorf(Field(pointer)+": "+format, a...)
}

// or is what is to be written if the setting itself cannot be: nothing, with no file, in most cases.
func (s Setting) or() Setting {
	return Setting{File: s.OrFile, Value: s.OrValue, Pointer: s.Pointer}
}

// write applies one setting to the cgroup, and says whether it was the setting or what is to be written instead.
func (c *Cgroup) write(s Setting) (written Setting, err error) {
	err = sys.CgroupWrite(c.fd(), s.File, s.Value)
	if s.OrFile != "" && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP)) {
		s = s.or()
		err = sys.CgroupWrite(c.fd(), s.File, s.Value)
	}
	if err == nil || s.IfPresent && errors.Is(err, unix.ENOENT) {
		return s, nil
	}
	if s.File == "memory.swap.max" && errors.Is(err, unix.ENOENT) && noSwap() {
		return s, nil
	}
	err = fmt.Errorf("%s: write %q to %s: %w", Field(s.Pointer), s.Value, c.Dir+"/"+s.File, errno(err))
	if hint := writeHint(s, err); hint != "" {
		err = fmt.Errorf("%w: %s", err, hint)
	}
	return s, err
}

// noSwap says that the kernel was built without swap (CONFIG_SWAP): then any limit on it holds, and has no file.
func noSwap() bool {
	_, err := os.Stat("/proc/swaps")
	return errors.Is(err, os.ErrNotExist)
}

// errno takes the errno out of a *PathError, whose path is only the file's name.
func errno(err error) error {
	var n unix.Errno
	if errors.As(err, &n) {
		return n
	}
	return err
}

func writeHint(s Setting, err error) string {
	switch {
	case errors.Is(err, unix.ENOENT):
		if s.Controller() == "" {
			return "this kernel has no such file"
		}
		return "the " + s.Controller() + " controller is not enabled for this cgroup, or this kernel has no such file"
	case errors.Is(err, unix.EINVAL) && s.File == "cpu.weight":
		return "a cgroup with cpu.idle 1 has no weight"
	case errors.Is(err, unix.EINVAL) && s.File == "cpu.max":
		return "the kernel does not take this value, which may not be less than cpu.max.burst either"
	case errors.Is(err, unix.EOPNOTSUPP) && s.File == "io.weight":
		return "the device has neither the BFQ scheduler nor io.cost.qos enabled"
	case errors.Is(err, unix.EINVAL):
		return "the kernel does not take this value"
	case errors.Is(err, unix.ERANGE):
		return "the value is outside of what the file takes"
	case errors.Is(err, unix.EBUSY):
		return "what is in use already is more than that"
	case errors.Is(err, unix.ENODEV):
		return "there is no such device"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), errors.Is(err, unix.EROFS):
		return "this cgroup is not ours to write: it has to be delegated"
	}
	return ""
}
