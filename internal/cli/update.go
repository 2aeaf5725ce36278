package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"

	"tare/libcontainer"
	"tare/libcontainer/bundle"
)

func (a *app) updateCommand() *cli.Command {
	o := &updateOptions{limits: limitOptions()}
	return &cli.Command{
		Name:      "update",
		Category:  "Changing",
		Usage:     "change the limits of a container",
		ArgsUsage: "ID",
		Description: `Only what is given changes. If one of the new limits cannot hold, none does. A
SIZE may end in k, m, g, t or p.

NAME update --memory 512m --pids-limit 200 web
NAME update --cpu-quota 50000 --cpu-period 100000 web
echo '{"memory": {"limit": 536870912}}' | NAME update --resources - web
`,
		Flags: o.flags(),
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 1, 1); err != nil {
				return err
			}
			return about(c, a.update(c.Args().First(), o))
		},
	}
}

// updateOptions are the options of update, as given.
type updateOptions struct {
	resources string // path; "-": standard input
	limits    []*limitOption

	l3Cache, memoryBandwidth   string
	kernelMemory, kernelTCPMem string
}

func (o *updateOptions) flags() []cli.Flag {
	flags := []cli.Flag{
		stringFlag(&o.resources, "read the limits as JSON from `FILE`, - for standard input", "resources", "r"),
	}
	for _, l := range o.limits {
		flags = append(flags, stringFlag(&l.value, l.usage, l.name))
	}
	return append(flags,
		stringFlag(&o.l3Cache, "give its class the share `SCHEMA` of the L3 caches", "l3-cache-schema"),
		stringFlag(&o.memoryBandwidth, "give its class the share `SCHEMA` of the memory bandwidth", "mem-bw-schema"),
		hiddenFlag(&o.kernelMemory, "kernel-memory"), hiddenFlag(&o.kernelTCPMem, "kernel-memory-tcp")) // not in any kernel any more
}

func (a *app) update(id string, o *updateOptions) error {
	res, where, err := o.read()
	if err != nil {
		return err
	}
	ct, err := a.load(id)
	if err != nil {
		return err
	}
	defer ct.Close()
	err = ct.Update(res, libcontainer.UpdateOptions{Warn: warn, IntelRdt: o.intelRdt()})
	if mistakes, ok := errors.AsType[bundle.Problems](err); ok {
		return where(mistakes)
	}
	return err
}

// read gives the limits, and how to speak of mistakes in them.
func (o *updateOptions) read() (*specs.LinuxResources, func(bundle.Problems) error, error) {
	if o.resources == "" {
		res, err := o.fromOptions()
		return res, o.inOptions, err
	}
	for _, l := range o.limits {
		if l.value != "" {
			warn("--" + l.name + " is ignored beside --resources")
		}
	}
	res, name, err := readResources(o.resources)
	if err != nil {
		return nil, nil, fmt.Errorf("--resources: %w", err)
	}
	return res, func(p bundle.Problems) error { return fmt.Errorf("--resources: %w", p.In(name)) }, nil
}

// intelRdt are the options about the container's class of service; nil without any.
func (o *updateOptions) intelRdt() *specs.LinuxIntelRdt {
	if o.l3Cache == "" && o.memoryBandwidth == "" {
		return nil
	}
	return &specs.LinuxIntelRdt{L3CacheSchema: o.l3Cache, MemBwSchema: o.memoryBandwidth}
}

// fromOptions collects the limits of the single options.
func (o *updateOptions) fromOptions() (*specs.LinuxResources, error) {
	var res specs.LinuxResources
	given := o.kernelMemory != "" || o.kernelTCPMem != ""
	if given {
		warn("limits on kernel memory are ignored")
	}
	given = given || o.intelRdt() != nil
	for _, l := range o.limits {
		if l.value == "" {
			continue
		}
		if err := l.set(&res, l.value); err != nil {
			return nil, fmt.Errorf("--%s: invalid value %q: %w", l.name, l.value, err)
		}
		given = true
	}
	if !given {
		return nil, errors.New("nothing to change: give a limit, or a file of them with --resources")
	}
	return &res, nil
}

// inOptions tells mistakes by the options that made them.
func (o *updateOptions) inOptions(mistakes bundle.Problems) error {
	for i := range mistakes {
		for _, l := range o.limits {
			if mistakes[i].Pointer == l.pointer {
				mistakes[i].Pointer = "--" + l.name
			}
		}
	}
	if len(mistakes) == 1 {
		return mistakes[0]
	}
	return mistakes.In("options")
}

// resourcesLimit bounds what a file may make us allocate.
const resourcesLimit = 16 << 20

// readResources reads limits from a file, or from standard input for "-", and gives its name for errors.
func readResources(path string) (*specs.LinuxResources, string, error) {
	in := os.Stdin
	if path == "-" {
		path = "standard input"
	} else {
		f, err := os.Open(path)
		if err != nil {
			return nil, "", err
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, resourcesLimit+1))
	if err == nil && len(raw) > resourcesLimit {
		err = fmt.Errorf("%s: is larger than %d bytes", path, resourcesLimit)
	}
	if err != nil {
		return nil, "", err
	}
	var res specs.LinuxResources
	if err := bundle.Decode(path, raw, &res); err != nil {
		return nil, "", err
	}
	var whole struct {
		Version string `json:"ociVersion"`
	}
	if err := bundle.Decode(path, raw, &whole); err == nil && whole.Version != "" {
		return nil, "", fmt.Errorf("%s is a whole config.json: want the object /linux/resources alone", path) // none of its limits would be seen
	}
	return &res, path, nil
}
