package v2

import (
	"path"

	"tare/internal/sys"
)

// Adopt takes a cgroup that somebody else has made for us, such as systemd, and that may have our process in it already: it
// gets those controllers that the settings need and that it lacks, and the settings. On failure it stays as it is by then.
func Adopt(t *Tree, at string, settings []Setting) (*Cgroup, error) {
	needed := &Tree{Mount: t.Mount, fd: t.fd} // and no more: the cgroups above are not ours
	for _, name := range t.Controllers {
		if neededBy(settings, name) != nil {
			needed.Controllers = append(needed.Controllers, name)
		}
	}
	c := At(t.Mount + at)
	parent, err := c.parent(needed, path.Dir(at), settings)
	if err != nil {
		return nil, err
	}
	if parent != t.fd {
		sys.Close(parent)
	}
	if _, err := c.Apply(settings); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}
