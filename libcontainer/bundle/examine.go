package bundle

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/internal/document"
	"tare/internal/sys"
)

// Examination is what Load would say of a bundle, and what it would not come to: all of it, where Load stops at the first
// wrong type.
type Examination struct {
	Dir    string      // absolute path of the bundle's directory
	File   string      // absolute path of its config.json
	Rootfs string      // Spec.Root.Path made absolute, "" without one
	Spec   *specs.Spec // as far as it could be decoded; nil if the text is not JSON

	Text     *document.Survey
	Problems []Found // what Load refuses
	Warnings []Found // what is done in another way than it is written
}

// Found is a problem, and the name of the check that found it.
type Found struct {
	Check string
	Problem
}

// Examine reads and checks the config of the bundle in dir, whose name is config.json in all bundles that can be run. The
// error says that it could not be read. Unless host is set nothing is looked at but the file.
func Examine(dir, config string, host bool) (*Examination, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	handle, err := sys.OpenBundleDir(dir)
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	raw, err := handle.ReadFile(config, configLimit)
	if err != nil {
		return nil, err
	}
	e := &Examination{Dir: dir, File: filepath.Join(dir, config), Text: document.Examine[specs.Spec](raw, otherPlatforms()...)}
	if e.Text.Broken {
		return e, nil
	}
	e.Spec = new(specs.Spec)
	_ = document.Decode([]byte(e.Text.Text), e.Spec, otherPlatforms()...) // its error is among the remarks
	translate(e.Spec)
	for i := range checks {
		var r report
		checks[i].run(&r, e.Spec)
		e.found(checks[i].name, r.problems)
	}
	if e.Spec.Root != nil && e.Spec.Root.Path != "" {
		e.Rootfs = absolute(dir, e.Spec.Root.Path)
	}
	if host {
		e.found("root", checkRootfs(handle, e.Spec.Root))
		e.found("host namespaces", checkHostNamespaces(e.Spec))
	}
	for _, w := range Warnings(e.Spec) {
		pointer, message, _ := strings.Cut(w, ": ")
		e.Warnings = append(e.Warnings, Found{"warnings", Problem{pointer, message}})
	}
	return e, nil
}

// found keeps problems, but for those that are there because a value of a wrong type was left out.
func (e *Examination) found(check string, problems Problems) {
next:
	for _, p := range problems {
		for i := range e.Text.Remarks {
			if r := &e.Text.Remarks[i]; r.Kind == document.Type && follows(p.Pointer, at(r.Path...)) {
				continue next
			}
		}
		e.Problems = append(e.Problems, Found{check, p})
	}
}

// follows says whether the problem at pointer may come from a value of a wrong type at wrong: it is there or below, or what
// was to be found there is needed.
func follows(pointer, wrong string) bool {
	if pointer == wrong || strings.HasPrefix(pointer, wrong+"/") {
		return true
	}
	switch list, _, below := strings.Cut(wrong, "/options"); {
	case below && strings.HasPrefix(wrong, "/mounts/"):
		return pointer == list+"/type" || pointer == list+"/source"
	case wrong == "/linux" || strings.HasPrefix(wrong, "/linux/namespaces"):
		switch first, rest, _ := strings.Cut(pointer[1:], "/"); first {
		case "hostname", "domainname":
			return true
		case "linux":
			name, _, _ := strings.Cut(rest, "/")
			return slices.Contains([]string{"namespaces", "sysctl", "netDevices", "uidMappings", "gidMappings", "timeOffsets"}, name)
		}
	}
	return false
}

// Locate finds the line and column of the value at a JSON pointer, or of the last value on the way to it that is there.
func (e *Examination) Locate(pointer string) (line, column int) {
	return e.Text.Locate(strings.Split(pointer, "/")[1:], escapePointer)
}

// Pointer makes a JSON pointer from member names and array indexes.
func Pointer(steps ...any) string { return at(steps...) }

// CheckNames are the names of all checks that Examine may name.
func CheckNames() []string {
	names := make([]string, 0, len(checks)+2)
	for i := range checks {
		names = append(names, checks[i].name)
	}
	return append(names, "host namespaces", "warnings")
}

// FieldName writes a JSON pointer as errors do: process.args[0] (/process/args/0).
func FieldName(pointer string) string {
	if pointer == "" {
		return "the document"
	}
	var path []any
	for _, step := range strings.Split(pointer, "/")[1:] {
		if index, err := strconv.Atoi(step); err == nil && step[0] != '+' {
			path = append(path, index)
			continue
		}
		path = append(path, strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~"))
	}
	return fieldName(path) + " (" + pointer + ")"
}
