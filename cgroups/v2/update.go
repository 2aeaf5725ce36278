package v2

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// Changes says what is to be written, in order, for the limits that res has to hold from now on, and the cgroup's others to
// stay as they are. It changes nothing.
func (c *Cgroup) Changes(res *specs.LinuxResources) ([]Setting, error) {
	if res == nil {
		return nil, nil
	}
	if _, err := c.File(); err != nil {
		return nil, err
	}
	whole := *res
	var err error
	if whole.CPU, err = c.wholeCPU(res.CPU); err != nil {
		return nil, err
	}
	if whole.Memory, err = c.wholeMemory(res.Memory); err != nil {
		return nil, err
	}
	settings, err := Settings(&whole)
	if err != nil {
		return nil, err
	}
	if res.CPU != nil && whole.CPU != res.CPU && (res.CPU.Quota == nil || *res.CPU.Quota == 0) {
		for i := range settings {
			if settings[i].File == "cpu.max" {
				settings[i].Pointer = cpuPointer + "period" // the quota is what it was
			}
		}
	}
	return c.keepDevices(c.inOrder(settings)), nil
}

// wholeCPU adds to a quota the period that holds, and the other way round: they are two words of one file.
func (c *Cgroup) wholeCPU(cpu *specs.LinuxCPU) (*specs.LinuxCPU, error) {
	if cpu == nil {
		return nil, nil
	}
	hasQuota, hasPeriod := cpu.Quota != nil && *cpu.Quota != 0, cpu.Period != nil && *cpu.Period != 0
	if hasQuota == hasPeriod && (hasQuota || cpu.Burst == nil) {
		return cpu, nil
	}
	text, err := c.text("cpu.max")
	if errors.Is(err, unix.ENOENT) {
		return cpu, nil // writing will say so
	}
	if err != nil {
		return nil, err
	}
	quotaText, periodText, _ := strings.Cut(text, " ")
	quota, period := int64(-1), uint64(defaultPeriod)
	if n, err := strconv.ParseInt(quotaText, 10, 64); err == nil {
		quota = n
	}
	if n, err := strconv.ParseUint(periodText, 10, 64); err == nil {
		period = n
	}
	whole := *cpu
	switch {
	case hasPeriod:
		whole.Quota = &quota
	case hasQuota:
		whole.Period = &period
	case quota > 0 && *cpu.Burst > uint64(quota):
		return nil, fieldError(cpuPointer+"burst", "%d is more than the quota, %d", *cpu.Burst, quota)
	}
	return &whole, nil
}

// wholeMemory adds to a limit of memory and swap together the limit of memory that holds, and does for checkBeforeUpdate what
// the kernel did on v1: on v2 it reclaims, and then kills, until the processes fit into what they are given.
func (c *Cgroup) wholeMemory(m *specs.LinuxMemory) (*specs.LinuxMemory, error) {
	if m == nil {
		return nil, nil
	}
	hasLimit := m.Limit != nil && *m.Limit != 0
	if hasLimit && *m.Limit > 0 && m.CheckBeforeUpdate != nil && *m.CheckBeforeUpdate {
		text, err := c.text("memory.current")
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, err
		}
		if used := number([]byte(text)); used > uint64(*m.Limit) {
			return nil, fieldError(memoryPointer+"limit", "%d is less than the %d bytes in use, and %s is set",
				*m.Limit, used, Field(memoryPointer+"checkBeforeUpdate"))
		}
	}
	if hasLimit || m.Swap == nil || *m.Swap <= 0 {
		return m, nil
	}
	text, err := c.text("memory.max")
	if errors.Is(err, unix.ENOENT) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	limit := int64(-1)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		limit = n
	}
	whole := *m
	whole.Limit = &limit
	return &whole, nil
}

// text is a file's content without its last line feed.
func (c *Cgroup) text(file string) (string, error) {
	b, err := sys.CgroupRead(c.fd(), file)
	if err != nil {
		return "", fmt.Errorf("read %s/%s: %w", c.Dir, file, errno(err))
	}
	return strings.TrimSuffix(string(b), "\n"), nil
}

// inOrder moves a burst before the quota, where it fits into the one that holds: at no instant may the burst be the greater
// one. If it does not fit, then the quota is growing, and comes first, as Settings has it.
func (c *Cgroup) inOrder(settings []Setting) []Setting {
	burst := slices.IndexFunc(settings, func(s Setting) bool { return s.File == "cpu.max.burst" })
	if burst < 1 || settings[burst-1].File != "cpu.max" {
		return settings
	}
	text, err := c.text("cpu.max")
	quota, _, _ := strings.Cut(text, " ")
	if err == nil && number([]byte(settings[burst].Value)) <= number([]byte(quota)) {
		settings = slices.Clone(settings)
		settings[burst-1], settings[burst] = settings[burst], settings[burst-1]
	}
	return settings
}

// Apply writes the settings. If one fails, those before it are written back. If all hold, undo does that later.
func (c *Cgroup) Apply(settings []Setting) (undo func() error, err error) {
	if _, err := c.File(); err != nil {
		return nil, err
	}
	var before []Setting
	undo = func() error {
		var first error
		for _, s := range slices.Backward(before) {
			if err := sys.CgroupWrite(c.fd(), s.File, s.Value); err != nil && first == nil {
				first = fmt.Errorf("write %q back to %s/%s: %w", s.Value, c.Dir, s.File, errno(err))
			}
		}
		return first
	}
	for _, s := range settings {
		was, wasOr := c.before(s), c.before(s.or())
		written, err := c.write(s)
		if err != nil {
			if lost := undo(); lost != nil {
				err = fmt.Errorf("%w; and then: %w", err, lost)
			}
			return nil, err
		}
		if written.File != s.File {
			was = wasOr
		}
		before = append(before, was...)
	}
	return undo, nil
}

// before says what is to be written, in reverse order, to have again what the setting is going to change. What can only be
// written, such as memory.reclaim, leaves nothing to be had again.
func (c *Cgroup) before(s Setting) []Setting {
	if s.File == "" {
		return nil
	}
	text, err := c.text(s.File)
	if err != nil || s.File == "cpu.weight" && text == "0" { // what an idle cgroup says
		return nil
	}
	var out []Setting
	switch {
	case s.File == "cpu.idle": // takes the weight with it
		out = c.before(Setting{File: "cpu.weight"})
	case s.isBFQDefault():
		out = deviceWeights(text)
	}
	return append(out, Setting{File: s.File, Value: former(s.File, text, s.Value)})
}

// isBFQDefault: BFQ forgets the weights of devices when the weight of all is written (bfq_group_set_weight).
func (s Setting) isBFQDefault() bool {
	return s.File == "io.bfq.weight" && !strings.Contains(s.Value, ":")
}

// deviceWeights are the lines of an io.bfq.weight that are about a device.
func deviceWeights(text string) []Setting {
	var out []Setting
	for line := range strings.SplitSeq(text, "\n") {
		if name, _, _ := strings.Cut(line, " "); strings.Contains(name, ":") {
			out = append(out, Setting{File: "io.bfq.weight", Value: line})
		}
	}
	return out
}

// keepDevices writes the weights of devices again after that of all, which is to change alone.
func (c *Cgroup) keepDevices(settings []Setting) []Setting {
	i := slices.IndexFunc(settings, Setting.isBFQDefault)
	if i < 0 {
		return settings
	}
	text, err := c.text("io.bfq.weight")
	if err != nil {
		return settings // there is none
	}
	again := deviceWeights(text)
	for k := range again {
		again[k].Pointer = settings[i].Pointer
	}
	return slices.Insert(settings, i+1, again...)
}

// former is what to write to a file with that content to undo the writing of value.
func former(file, text, value string) string {
	key, _, hasKey := strings.Cut(value, " ")
	var absent string // what a key without a line means
	switch file {
	case "io.max":
		absent = "rbps=max wbps=max riops=max wiops=max"
	case "io.weight", "io.bfq.weight":
		absent = "default"
		if !hasKey {
			key = "default"
		}
	case "io.latency":
		absent = "target=0"
	case "rdma.max", "misc.max":
		absent = "max"
	default:
		if text == "" {
			return "\n" // of an empty write(2) the kernel hears nothing
		}
		return text
	}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, key+" ") {
			return line
		}
	}
	return key + " " + absent
}
