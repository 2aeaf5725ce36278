package pages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "tare/internal/testutil"
)

// snippet is the block of a page that has the words, with the path of the tare that is tested; in a file.
func snippet(t *testing.T, name, language, words string) (file string) {
	t.Helper()
	for _, p := range pages(t) {
		for _, text := range p.of(language) {
			if p.name == name && strings.Contains(text, words) {
				file := filepath.Join(Dir(t), "snippet."+language)
				text = strings.ReplaceAll(text, "/usr/sbin/tare", Runtime())
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return file
			}
		}
	}
	t.Fatalf("%s has no block in %s with %q", name, language, words)
	return ""
}

// containerd takes the file, and its answer has what is in it. Version 1 does not know files of version 3.
func TestContainerd_Config(t *testing.T) {
	NeedProgram(t, "containerd")
	first := strings.Contains(Do(t, exec.Command("containerd", "--version")).OK(t).Stdout, " 1.")
	for _, version := range []string{"version = 2", "version = 3"} {
		t.Run(version, func(t *testing.T) {
			if first && version == "version = 3" {
				t.Skip("needs containerd 2: this one is older")
			}
			file := snippet(t, "containerd.md", "toml", version)
			out := Do(t, exec.Command("containerd", "--config", file, "config", "dump")).OK(t)
			answer := strings.ReplaceAll(out.Stdout, "'", `"`)
			for _, want := range []string{
				`default_runtime_name = "tare"`, `containerd.runtimes.tare]`, `runtime_type = "io.containerd.runc.v2"`,
				`BinaryName = "` + Runtime() + `"`, "SystemdCgroup = true",
			} {
				if !strings.Contains(answer, want) {
					t.Errorf("containerd config dump has no %s", want)
				}
			}
		})
	}
}

// Podman and Buildah find tare by the files of their pages, and without a word on standard error.
func TestContainersConf(t *testing.T) {
	NeedRoot(t)
	for program, tt := range map[string]struct{ page, format, want string }{
		"podman":  {"podman.md", "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}", "tare " + Runtime()},
		"buildah": {"buildah.md", "{{.host.OCIRuntime}}", "tare"},
	} {
		t.Run(program, func(t *testing.T) {
			NeedProgram(t, program)
			dir := Dir(t)
			cmd := exec.Command(program, "--root", dir+"/root", "--runroot", dir+"/run", "--storage-driver", "vfs", "info", "--format", tt.format)
			cmd.Env = append(os.Environ(), "HOME="+dir, "CONTAINERS_CONF="+snippet(t, tt.page, "toml", "[engine]"))
			if out := Do(t, cmd).OK(t); strings.TrimSpace(out.Stdout) != tt.want {
				t.Errorf("%s info: %q, want %q: %s", program, out.Stdout, tt.want, out.Stderr)
			}
		})
	}
}
