// Package schema holds what tare writes, and what its tests feed it, against the JSON schemas of the OCI runtime specification. They come
// with the specification's Go module, at the version in go.mod.
package schema

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/santhosh-tekuri/jsonschema/v6"

	. "tare/internal/testutil"
)

func TestMain(m *testing.M) { Main(m) }

// compile reads a schema of the specification by its file name.
func compile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	tool := NeedProgram(t, "go")
	cmd := exec.Command(tool, "list", "-m", "-f", "{{.Dir}}", "github.com/opencontainers/runtime-spec")
	dir, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4) // which not all files of the schema name
	c.UseLoader(loader{})
	schema, err := c.Compile(filepath.Join(strings.TrimSpace(string(dir)), "schema", name))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// loader reads the files of a schema, and mends a reference: version 1.3.0 has "defs.json#definitions/", without a slash, which is no JSON pointer.
type loader struct{}

func (loader) Load(url string) (any, error) {
	data, err := os.ReadFile(strings.TrimPrefix(url, "file://"))
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(bytes.ReplaceAll(data, []byte("#definitions/"), []byte("#/definitions/"))))
}

// check reports all that is wrong with a document.
func check(t *testing.T, schema *jsonschema.Schema, document []byte) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatalf("%v in %s", err, document)
	}
	if err := schema.Validate(value); err != nil {
		t.Error(err)
	}
}

func TestFeatures(t *testing.T) {
	schema := compile(t, "features-schema.json")
	check(t, schema, []byte(NewContainer(t).Tare("features").OK(t).Stdout))
}

func TestSpec(t *testing.T) {
	schema := compile(t, "config-schema.json")
	for _, flags := range [][]string{nil, {"--rootless"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			dir := Dir(t)
			args := append([]string{"spec", "--bundle", dir}, flags...)
			NewContainer(t).Tare(args...).OK(t)
			check(t, schema, readFile(t, filepath.Join(dir, "config.json")))
		})
	}
}

// The configs that the tests hold to be valid are, and so is what the integration tests start from.
func TestConfigs(t *testing.T) {
	schema := compile(t, "config-schema.json")
	files, err := filepath.Glob("../bundles/valid/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d configs: %v", len(files), err)
	}
	for _, file := range files {
		if filepath.Base(file) == "foreign.json" {
			continue // holds nonsense in the sections of other platforms, which nobody is to look at
		}
		t.Run(filepath.Base(file), func(t *testing.T) { check(t, schema, withoutHabits(t, readFile(t, file))) })
	}
	t.Run("default of the tests", func(t *testing.T) {
		text, err := json.Marshal(DefaultSpec())
		if err != nil {
			t.Fatal(err)
		}
		check(t, schema, text)
	})
}

// withoutHabits takes out of a config what managers write and the schema does not have: the kind of a device in linux.devices[].fileMode, of which
// the schema wants the permissions only, and the recursive forms of linux.rootfsPropagation.
func withoutHabits(t *testing.T, config []byte) []byte {
	t.Helper()
	var document map[string]any
	decoder := json.NewDecoder(bytes.NewReader(config))
	decoder.UseNumber()
	if err := decoder.Decode(&document); err != nil {
		t.Fatal(err)
	}
	linux, _ := document["linux"].(map[string]any)
	if propagation, ok := linux["rootfsPropagation"].(string); ok {
		linux["rootfsPropagation"] = strings.TrimPrefix(propagation, "r")
	}
	devices, _ := linux["devices"].([]any)
	for _, d := range devices {
		device := d.(map[string]any)
		if mode, ok := device["fileMode"].(json.Number); ok {
			bits, err := mode.Int64()
			if err != nil {
				t.Fatal(err)
			}
			device["fileMode"] = bits & 0o777
		}
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A state is valid in each of its statuses, and as hooks get it.
func TestState(t *testing.T) {
	NeedRoot(t)
	schema := compile(t, "state-schema.json")
	dir := Dir(t)
	log := filepath.Join(dir, "log")
	hook := func(name string) []specs.Hook { return []specs.Hook{HookRecord(log, name)} }
	c := NewContainer(t, Args("sleep"), func(s *specs.Spec) {
		s.Annotations = map[string]string{"key": "value"}
		s.Hooks = &specs.Hooks{
			CreateRuntime: hook("createRuntime"), CreateContainer: hook("createContainer"), Poststart: hook("poststart"), Poststop: hook("poststop"),
		}
	})
	pid := c.Create()
	say := func() { t.Helper(); check(t, schema, []byte(c.Tare("state", c.ID).OK(t).Stdout)) }
	say()
	c.Start()
	say()
	c.Tare("pause", c.ID).OK(t)
	checkPaused(t, schema, c)
	c.Tare("resume", c.ID).OK(t)
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	c.WaitStatus(specs.StateStopped)
	say()
	c.Tare("delete", c.ID).OK(t)

	lines := strings.Split(strings.TrimSpace(string(readFile(t, log))), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d hooks ran: %q", len(lines), lines)
	}
	for _, line := range lines {
		var call struct{ Name, State string }
		if err := json.Unmarshal([]byte(line), &call); err != nil {
			t.Fatal(err)
		}
		t.Run(call.Name, func(t *testing.T) { check(t, schema, []byte(call.State)) })
	}
}

// checkPaused leaves the status out, which the schema has but four values for: "Additional values MAY be defined by the runtime" (runtime.md, State).
func checkPaused(t *testing.T, schema *jsonschema.Schema, c *Container) {
	t.Helper()
	var state map[string]any
	if err := json.Unmarshal([]byte(c.Tare("state", c.ID).OK(t).Stdout), &state); err != nil {
		t.Fatal(err)
	}
	if state["status"] != "paused" {
		t.Errorf("status %v", state["status"])
	}
	state["status"] = "running"
	text, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	check(t, schema, text)
}

// What the schema refuses is refused here: the checks above can fail.
func TestSchemaRefuses(t *testing.T) {
	for name, document := range map[string]string{
		"config-schema.json":   `{"ociVersion": "1.0.0", "root": {"path": 1}}`,
		"state-schema.json":    `{"ociVersion": "1.0.0", "id": "a", "status": "strolling", "bundle": "/"}`,
		"features-schema.json": `{"ociVersionMin": "1.0.0", "ociVersionMax": "1.3.0", "linux": {"namespaces": "pid"}}`,
	} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
		if err != nil {
			t.Fatal(err)
		}
		if err := compile(t, name).Validate(value); err == nil {
			t.Errorf("%s takes %s", name, document)
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
