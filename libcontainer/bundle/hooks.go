package bundle

import "github.com/opencontainers/runtime-spec/specs-go"

func checkHooks(r *report, spec *specs.Spec) {
	if spec.Hooks == nil {
		return
	}
	//lint:ignore SA1019 deprecated, but in use
	checkHookList(r, "prestart", spec.Hooks.Prestart)
	checkHookList(r, "createRuntime", spec.Hooks.CreateRuntime)
	checkHookList(r, "createContainer", spec.Hooks.CreateContainer)
	checkHookList(r, "startContainer", spec.Hooks.StartContainer)
	checkHookList(r, "poststart", spec.Hooks.Poststart)
	checkHookList(r, "poststop", spec.Hooks.Poststop)
}

func checkHookList(r *report, name string, hooks []specs.Hook) {
	for i, h := range hooks {
		r.checkPath(h.Path, "hooks", name, i, "path")
		for j, arg := range h.Args {
			if hasNUL(arg) {
				r.add(at("hooks", name, i, "args", j), "must not contain a NUL byte, got %s", quote(arg))
			}
		}
		for j, entry := range h.Env {
			checkEnv(r, entry, "hooks", name, i, "env", j)
		}
		if h.Timeout != nil && *h.Timeout <= 0 {
			r.add(at("hooks", name, i, "timeout"), "must be above 0 seconds, got %d", *h.Timeout)
		}
	}
}
