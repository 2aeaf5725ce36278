package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// network: what a hook sets up in the new namespace is there when the program starts, as nerdctl and others do it.
func (c *ctr) network(s *scene) {
	hook := s.write("network.sh", `#!/bin/sh
pid=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
nsenter --net=/proc/$pid/ns/net sh -c 'busybox ip link set lo up && busybox ip addr add 10.9.8.7/32 dev lo'
`, 0o755)
	out := s.must(c.configured(s, "--rm", c.name(s), "ip addr show; ping -c 1 10.9.8.7", func(spec *specs.Spec) {
		spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: hook}}}
	})...)
	s.contains("the address", out, "inet 10.9.8.7/32", "1 packets received")
	if strings.Contains(out, "eth0") {
		s.failf("it sees the host's network: %s", out)
	}
}

// hooks are all called, once, with the state of their time.
func (c *ctr) hooks(s *scene) {
	dir := s.folder("hooks")
	hook := func(name string) []specs.Hook {
		return []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "cat >>" + dir + "/" + name + "; echo $WORD >>" + dir + "/" + name}, Env: []string{"WORD=blue", "PATH=/usr/bin:/bin"}}}
	}
	id := c.name(s)
	s.must(c.configured(s, "--detach", id, "sleep 1000", func(spec *specs.Spec) {
		spec.Annotations = map[string]string{"com.example.word": "green"}
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: dir, Type: "bind", Source: dir, Options: []string{"rbind", "rw"}})
		spec.Hooks = &specs.Hooks{
			Prestart:      hook("prestart"), //lint:ignore SA1019 Docker uses it
			CreateRuntime: hook("createRuntime"), CreateContainer: hook("createContainer"),
			StartContainer: hook("startContainer"), Poststart: hook("poststart"), Poststop: hook("poststop"),
		}
	})...)
	pid := c.pid(s, id)
	for _, name := range []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart"} {
		c.hookCalled(s, dir+"/"+name, id, pid)
	}
	if _, err := os.Stat(dir + "/poststop"); err == nil {
		s.failf("poststop was called before the end")
	}
	s.must(c.do("tasks", "kill", "--signal", "9", id)...)
	c.end(s, id)
	state := c.hookState(s, dir+"/poststop")
	s.want("poststop's status", string(state.Status), string(specs.StateStopped))
}

func (c *ctr) hookCalled(s *scene, file, id string, pid int) {
	state, name := c.hookState(s, file), filepath.Base(file)
	s.want(name+"'s id", state.ID, id)
	s.want(name+"'s bundle", state.Bundle, c.bundle(s, id))
	s.want(name+"'s annotation", state.Annotations["com.example.word"], "green")
	if name != "startContainer" && name != "createContainer" { // these may see the container's PID namespace
		s.want(name+"'s pid", strconv.Itoa(state.Pid), strconv.Itoa(pid))
	}
}

// hookState is what a hook was given.
func (c *ctr) hookState(s *scene, file string) specs.State {
	text := s.must("cat", file)
	var state specs.State
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&state); err != nil {
		s.failf("%s: %v in %q", file, err, text)
	}
	rest := strings.TrimSpace(text[d.InputOffset():])
	s.want("after the state for "+file, rest, "blue")
	return state
}

func (c *ctr) checkpoint(s *scene) {
	if a := s.try("criu", "check"); a.code != 0 {
		s.skipf("criu does not work here: %s", a.stderr)
	}
	id, pid := c.background(s, "", "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/data/count; sleep 0.1; done")
	images := s.folder("checkpoint")
	s.must(c.do("tasks", "checkpoint", "--exit", "--image-path", images, "--work-path", s.folder("checkpoint-work"), id)...)
	s.must("test", "-s", images+"/inventory.img")
	c.becomes(s, id, "STOPPED")
	if runs(pid) {
		s.failf("process %d still runs", pid)
	}
	live, _ := c.background(s, "", "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/data/count; sleep 0.1; done")
	s.must(c.do("containers", "checkpoint", "--task", "--rw", "--image", live, "localhost/checkpoint:1")...)
	c.remove(s, live) // the copy's config names the same cgroup
	restored := c.name(s)
	s.must(c.do("containers", "restore", "--rw", "--live", restored, "localhost/checkpoint:1")...)
	s.must(c.exec("", restored, "test", "-s", "/data/count")...)
	c.pid(s, restored)
}

// managerKilled: whatever dies at whatever time, the daemon cleans up with `delete --force`, and the name is free again.
func (c *ctr) managerKilled(s *scene) {
	id := c.name(s)
	for range 2 {
		c.again(s, id, c.create(s, "--detach --mount type=bind,src="+s.folder("held")+",dst=/v,options=rbind:rw", id, "sh", "-c", "sleep 1000 & wait"))
		pid := c.pid(s, id)
		shim, err := strconv.Atoi(s.status(pid, "PPid"))
		if err != nil || !strings.Contains(s.must("cat", fmt.Sprintf("/proc/%d/cmdline", shim)), "containerd-shim") {
			s.failf("the parent of %d is %d, not the shim", pid, shim)
		}
		s.signal(shim, syscall.SIGKILL)
		c.gone(s, id)
		s.must(c.do("containers", "delete", id)...)
	}
	c.again(s, id, c.create(s, "--detach", id, "sleep", "1000"))
	c.remove(s, id)
	id = c.name(s)
	for range 2 {
		c.killedInCreate(s, id)
	}
	c.again(s, id, c.create(s, "--detach", id, "sleep", "1000"))
}

// again makes a container whose name was taken. The daemon forgets a lost task a moment after all of it is removed.
func (c *ctr) again(s *scene, id string, create []string) {
	s.eventually("the name is free", func() error {
		a := s.try(create...)
		if a.code == 0 {
			return nil
		}
		s.try(c.do("containers", "delete", id)...)
		if !strings.Contains(a.stderr, "already exists") {
			s.failf("%v", a)
		}
		return fmt.Errorf("%v", a)
	})
	c.pid(s, id)
}

// gone waits until nothing is left of a container's task.
func (c *ctr) gone(s *scene, id string) {
	s.eventually("all of the task is removed", func() error {
		if _, status := c.task(s, id); status != "" {
			return fmt.Errorf("its status is %s", status)
		}
		return nil
	})
	s.leftBehind("cgroups", func() []string { return c.cgroups(id) })
	s.leftBehind("states", func() []string { return entries(c.states()) })
	s.leftBehind("processes", c.strangers)
	s.leftBehind("mounts", func() []string { return mountsBelow(filepath.Join(s.dir, "state")) })
}

// cgroups of a container, or of all with an empty id; the empty parent of the namespace is none.
func (c *ctr) cgroups(id string) []string {
	var all []string
	for _, dir := range cgroupsNamed(c.namespace) {
		if name := filepath.Base(dir); name != c.namespace {
			if id == "" || strings.Contains(name, id) { // a scope of systemd's
				all = append(all, dir)
			}
			continue
		}
		for _, path := range entries(dir) {
			if info, err := os.Stat(path); err == nil && info.IsDir() && (id == "" || filepath.Base(path) == id) {
				all = append(all, path)
			}
		}
	}
	return all
}

// strangers are processes of the run that are not the daemon.
func (c *ctr) strangers() []string {
	var all []string
	for _, p := range processesOf(c.namespace) {
		if pid, _, _ := strings.Cut(p, " "); pid != strconv.Itoa(c.cmd.Process.Pid) {
			all = append(all, p)
		}
	}
	return all
}

// killedInCreate kills the runtime while it waits for a hook, which says who its parent is; then the name has to be free.
func (c *ctr) killedInCreate(s *scene, id string) {
	told := s.write("creating", "", 0o644)
	slow := c.configured(s, "", id, "sleep 1000", func(spec *specs.Spec) {
		spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo $PPID >" + told + "; exec /bin/sleep 10"}}}}
	})
	done := make(chan said)
	go func() { done <- s.try(slow...) }()
	runtime := 0
	s.eventually("the hook runs", func() error {
		text, err := os.ReadFile(told)
		if err == nil {
			runtime, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		return err
	})
	s.contains("the hook's parent", s.must("cat", fmt.Sprintf("/proc/%d/cmdline", runtime)), "create", id)
	s.signal(runtime, syscall.SIGKILL)
	if a := <-done; a.code == 0 {
		s.failf("the container was created by a dead runtime: %v", a)
	}
	s.try(c.do("containers", "delete", id)...)
	c.gone(s, id)
}

// many has a hundred containers run together, each with a shim of its own.
func (c *ctr) many(s *scene) {
	const all, atOnce = 100, 10
	before := c.cgroups("") // what a runtime left earlier is not of these
	began := time.Now()
	var ids []string
	var group sync.WaitGroup
	free, wrong := make(chan struct{}, atOnce), make(chan said, all)
	for i := range all {
		id := "m" + strconv.Itoa(i)
		ids = append(ids, id)
		command := c.create(s, "--detach --null-io", id, "sleep", "1000")
		free <- struct{}{}
		group.Go(func() {
			if a := s.try(command...); a.code != 0 {
				wrong <- a
			}
			<-free
		})
	}
	group.Wait()
	s.cleanup(func() { c.remove(s, ids...) })
	select {
	case a := <-wrong:
		s.failf("%d of %d were not started: %v", len(wrong)+1, all, a)
	default:
	}
	if running := strings.Count(s.must(c.do("tasks", "list")...), "RUNNING"); running != all {
		s.failf("%d run, want %d", running, all)
	}
	if n := len(entries(c.states())); n != all {
		s.failf("the runtime has %d containers, want %d", n, all)
	}
	c.remove(s, ids...)
	s.want("containers that are left", s.must(c.do("containers", "list", "--quiet")...), "")
	s.measure("100 at once", time.Since(began))
	s.want("states that are left", strings.Join(entries(c.states()), " "), "")
	s.leftBehind("cgroups", func() []string {
		return slices.DeleteFunc(c.cgroups(""), func(dir string) bool { return slices.Contains(before, dir) })
	})
	s.leftBehind("processes", c.strangers)
}

func (c *ctr) nothingLeft(s *scene) {
	s.want("tasks", s.must(c.do("tasks", "list", "--quiet")...), "")
	s.leftBehind("states of the runtime", func() []string { return append(entries(c.states()), entries("/run/containerd/runc/"+c.namespace)...) })
	s.leftBehind("cgroups", func() []string { return c.cgroups("") })
	s.leftBehind("processes", c.strangers)
	s.leftBehind("mounts", func() []string { return mountsBelow(s.dir) })
	s.leftBehind("bundles", func() []string {
		return entries(filepath.Join(s.dir, "state", "io.containerd.runtime.v2.task", c.namespace))
	})
}
