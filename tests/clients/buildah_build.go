package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// What is done by the steps of a Containerfile.

// context makes a directory with a Containerfile, and gives its path.
func (b *buildah) context(s *scene, name, containerfile string) string {
	dir := b.dir + "/" + name
	s.own(b.user, dir)
	if err := os.WriteFile(dir+"/Containerfile", []byte(containerfile), 0o644); err != nil {
		s.failf("%v", err)
	}
	return dir
}

// building is the build of a context as an image of that name.
func (b *buildah) building(context, name string, options ...string) []string {
	args := append([]string{"build", "--pull=never", "--network", "none", "--tag", "localhost/" + name}, b.told...)
	return b.do(append(append(args, options...), context)...)
}

func (b *buildah) build(s *scene) {
	dir := b.context(s, "build", `FROM `+reference+` AS first
RUN echo made in the first >/data/first
FROM `+reference+`
ARG what
ENV WHERE=/data/there
WORKDIR $WHERE
COPY --from=first /data/first .
COPY given .
RUN --mount=type=secret,id=word --mount=type=tmpfs,target=/mnt cp /run/secrets/word . && stat -f -c %T /mnt >type
RUN --mount=type=cache,target=/cache echo $what >>/cache/file && cat /cache/file >cached
RUN ["chown", "-R", "alice:alice", "."]
USER alice
RUN cat first given word type cached && id -un && pwd >by-alice && test ! -e /run/secrets/word
`)
	for name, text := range map[string]string{"given": "given\n", "secret": "secret\n"} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			s.failf("%v", err)
		}
	}
	out := s.must(b.building(dir, "built", "--jobs", "2", "--build-arg", "what=argument", "--secret", "id=word,src="+dir+"/secret")...)
	s.contains("the last step", out, "made in the first\ngiven\nsecret\ntmpfs\nargument\nalice\n")
	s.must(b.do("from", "--quiet", "--pull=never", "--network", "none", "--name", "built", "localhost/built")...)
	s.cleanup(func() { s.try(b.do("rm", "built")...) })
	s.want("the image", s.must(b.in("built", "sh", "-c", "id -un; cat by-alice; stat -c %U by-alice")...), "alice\n/data/there\nalice")

	a := s.try(b.building(b.context(s, "failing", "FROM "+reference+"\nRUN exit 9\n"), "failing")...)
	if a.code == 0 || !strings.Contains(a.stderr, "exit status 9") {
		s.failf("a step that fails: %v", a)
	}
}

func (b *buildah) logs(s *scene) {
	file := b.dir + "/build.log"
	dir := b.context(s, "logs", "FROM "+reference+"\nRUN echo to stdout; echo to stderr >&2\n")
	s.must(b.building(dir, "logs", "--logfile", file)...)
	text, err := os.ReadFile(file)
	if err != nil {
		s.failf("%v", err)
	}
	s.contains("the log", string(text), "\nto stdout\n", "\nto stderr\n")
}

// A device of a number that no driver has: to open it is refused by the container's rules, or by the kernel's lack of a driver.
func (b *buildah) devices(s *scene) {
	device := s.dir + "/device"
	if _, err := os.Stat(device); err != nil {
		s.must("mknod", "--mode=666", device, "c", "241", "7")
	}
	dir := b.context(s, "devices", "FROM "+reference+`
RUN stat -c "%n %F %t:%T" /dev/added; cat /dev/added; dd of=/dev/added count=0; mknod /tmp/other c 241 8; cat /tmp/other; true
`)
	a := s.code(0, b.building(dir, "devices", "--device", device+":/dev/added:r")...)
	s.contains("the device", a.stdout, "/dev/added character special file f1:7")
	s.contains("what may be read", a.stderr, "cat: can't open '/dev/added': No such device or address")
	if b.user == nil {
		s.contains("what may not", a.stderr, "dd: can't open '/dev/added': Operation not permitted", "cat: can't open '/tmp/other': Operation not permitted")
	} else {
		s.contains("what may not", a.stderr, "mknod: /tmp/other: Operation not permitted")
	}
}

// hooks are those of --hooks-dir: JSON files that say when, and a program that keeps the state it is given.
func (b *buildah) hooks(s *scene) {
	dir := b.dir + "/hooks"
	s.own(b.user, dir)
	stages := []string{"prestart", "createRuntime", "createContainer", "poststart", "poststop"}
	for _, stage := range stages {
		program, out := dir+"/"+stage, dir+"/"+stage+".out"
		hook := encode(map[string]any{
			"version": "1.0.0", "when": map[string]bool{"always": true}, "stages": []string{stage},
			"hook": map[string]any{"path": program, "args": []string{stage, "argument"}, "env": []string{"A=b"}},
		})
		for name, text := range map[string]string{
			program: fmt.Sprintf("#!/bin/sh\n{ echo \"$1 $A\"; cat; } >%s\n", out), dir + "/" + stage + ".json": string(hook),
		} {
			if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
				s.failf("%v", err)
			}
		}
	}
	s.must(b.building(b.context(s, "hooked", "FROM "+reference+"\nRUN true\n"), "hooked", "--hooks-dir", dir)...)
	for _, stage := range stages {
		text, err := os.ReadFile(dir + "/" + stage + ".out")
		if err != nil {
			s.failf("%v", err)
		}
		said, document, _ := strings.Cut(string(text), "\n")
		var state struct {
			ID, Status, Bundle string
			Pid                int
		}
		if err := json.Unmarshal([]byte(document), &state); err != nil {
			s.failf("%s: %v in %q", stage, err, document)
		}
		if said != "argument b" || state.Bundle == "" || !strings.HasPrefix(state.ID, "buildah-") || (state.Pid == 0) != (stage == "poststop") {
			s.failf("%s: %q", stage, text)
		}
	}
}
