package check

import (
	"path"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/fsroot"
	"tare/internal/sys"
)

// hooks looks at the programs of hooks: on this host, or in the container.
func (c *checker) hooks() {
	if c.spec.Hooks == nil {
		return
	}
	fd, err := sys.Openat(unix.AT_FDCWD, "/", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return
	}
	host := &view{root: fsroot.New(fd), ids: callerIDs(c.root)}
	defer host.close()
	//lint:ignore SA1019 deprecated, but in use
	c.hookList(host, "prestart", c.spec.Hooks.Prestart)
	c.hookList(host, "createRuntime", c.spec.Hooks.CreateRuntime)
	c.hookList(host, "createContainer", c.spec.Hooks.CreateContainer)
	c.hookList(c.view, "startContainer", c.spec.Hooks.StartContainer)
	c.hookList(host, "poststart", c.spec.Hooks.Poststart)
	c.hookList(host, "poststop", c.spec.Hooks.Poststop)
}

func (c *checker) hookList(v *view, name string, hooks []specs.Hook) {
	for i := range hooks {
		h := &hooks[i]
		if !path.IsAbs(h.Path) {
			continue // an error of its own
		}
		c.program(&search{
			view: v, ids: v.ids, pointer: at("hooks", name, i, "path"), env: h.Env, cwd: "/", host: v != c.view, hooked: v == c.view && c.hooksBefore(),
		}, h.Path)
	}
}

// hooksBefore says whether hooks run before those of startContainer.
func (c *checker) hooksBefore() bool {
	h := c.spec.Hooks
	//lint:ignore SA1019 deprecated, but in use
	return len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer) > 0
}

// callerIDs are those of a hook on the host: root, or somebody of whom the permissions are left to the look itself.
func callerIDs(root bool) *ids {
	if root {
		return &ids{caps: 1<<capDACOverride | 1<<capDACReadSearch}
	}
	return &ids{unknown: true}
}
