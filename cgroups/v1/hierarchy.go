package v1

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// Hierarchy is one mounted hierarchy of cgroup v1.
type Hierarchy struct {
	Controllers []string // such as cpu and cpuacct; of one without any, its name: name=systemd
	Mount       string
	own         string // our own cgroup in it, as /proc/self/cgroup has it
}

// known is where everybody mounts them, by the names of their controllers.
const known = "/sys/fs/cgroup/"

// Hierarchies lists those that are mounted. The usual places are looked at first, with one statfs(2) each; the mount table,
// which can be huge, is read only if something is elsewhere.
func Hierarchies() ([]Hierarchy, error) {
	text, err := sys.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("list the cgroup hierarchies: %w", err)
	}
	all := parse(text)
	elsewhere := false
	for i := range all {
		all[i].Mount = usual(all[i].Controllers)
		elsewhere = elsewhere || all[i].Mount == ""
	}
	if elsewhere {
		if err := search(all); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(all, func(h Hierarchy) bool { return h.Mount == "" }), nil
}

// parse reads /proc/self/cgroup (cgroups(7)): lines of "id:controllers:path", of which v2's has no controllers.
func parse(text []byte) []Hierarchy {
	var all []Hierarchy
	for line := range bytes.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(fields) == 3 && fields[1] != "" {
			all = append(all, Hierarchy{
				Controllers: strings.Split(fields[1], ","), own: strings.TrimSuffix(fields[2], " (deleted)"),
			})
		}
	}
	return all
}

// usual is where a hierarchy is mounted if it is where it uses to be, or "". Controllers that are mounted together have one
// directory, and a link for each.
func usual(controllers []string) string {
	for _, name := range append([]string{strings.Join(controllers, ",")}, controllers...) {
		dir := known + strings.TrimPrefix(name, "name=")
		if magic, err := sys.StatfsType(dir); err == nil && magic == unix.CGROUP_SUPER_MAGIC {
			return dir
		}
	}
	return ""
}

// search finds the mounts that are missing by the mount table.
func search(all []Hierarchy) error {
	mounts, err := table()
	if err != nil {
		return err
	}
	for i := range all {
		if m := find(mounts, all[i].Controllers); m != nil && all[i].Mount == "" {
			all[i].Mount = m.Mountpoint
		}
	}
	return nil
}

func table() ([]*mountinfo.Info, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	mounts, err := mountinfo.GetMountsFromReader(f, mountinfo.FSTypeFilter("cgroup"))
	if err != nil {
		return nil, fmt.Errorf("look for cgroup hierarchies: %w", err)
	}
	return mounts, nil
}

// find takes the mount of a hierarchy with these controllers, the whole of it before a part.
func find(mounts []*mountinfo.Info, controllers []string) *mountinfo.Info {
	var found *mountinfo.Info
	for _, m := range mounts {
		options := strings.Split(m.VFSOptions, ",")
		missing := slices.ContainsFunc(controllers, func(c string) bool { return !slices.Contains(options, c) })
		if !missing && (found == nil || len(m.Root) < len(found.Root)) {
			found = m
		}
	}
	return found
}

// Own is the cgroup that we are in ourselves, below Mount. In a container whose mounts show a part of the hierarchy only, that
// part's name is not a directory below them.
func (h *Hierarchy) Own() (string, error) {
	own := path.Clean(h.own)
	if strings.HasPrefix(own, "/..") {
		return "", fmt.Errorf("our own cgroup %q is outside of our cgroup namespace", h.own)
	}
	if own == "/" {
		return own, nil
	}
	_, err := sys.StatfsType(h.Mount + own)
	if !errors.Is(err, unix.ENOENT) {
		return own, err
	}
	mounts, err := table()
	if err != nil {
		return "", err
	}
	m := find(mounts, h.Controllers)
	if m == nil {
		return "", fmt.Errorf("our own cgroup %s is not below %s", own, h.Mount)
	}
	rest, ok := strings.CutPrefix(own, strings.TrimSuffix(m.Root, "/"))
	if !ok || rest != "" && rest[0] != '/' {
		return "", fmt.Errorf("our own cgroup %s is not below %s, which shows %s", own, h.Mount, m.Root)
	}
	return path.Clean("/" + rest), nil
}

// Has says whether the hierarchy has that controller.
func (h *Hierarchy) Has(controller string) bool { return slices.Contains(h.Controllers, controller) }
