package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/internal/sys"
)

const (
	configName = "config.json"

	// configLimit bounds what a config may make the runtime allocate. Real ones, seccomp profile included, have 10 to 50 KB.
	configLimit = 16 << 20
)

// Bundle is a loaded bundle.
type Bundle struct {
	Dir    string      // absolute path of the bundle's directory
	Raw    []byte      // config.json as it was read
	Spec   *specs.Spec // decoded and free of mistakes; not to be changed
	Rootfs string      // Spec.Root.Path made absolute: a directory when it was looked at
}

// Load reads and checks the bundle in dir, which may be relative to the working directory. Sources of bind mounts that are
// relative to the bundle are left as they are.
func Load(dir string) (*Bundle, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	handle, err := sys.OpenBundleDir(dir)
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	raw, err := handle.ReadFile(configName, configLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: spec writes one, and --bundle names the directory with it", err)
	}
	if err != nil {
		return nil, err
	}
	spec, err := decode(raw)
	if err != nil {
		return nil, err
	}
	problems := Validate(spec)
	problems = append(problems, checkRootfs(handle, spec.Root)...)
	problems = append(problems, checkHostNamespaces(spec)...)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return &Bundle{Dir: dir, Raw: raw, Spec: spec, Rootfs: absolute(dir, spec.Root.Path)}, nil
}

func absolute(dir, path string) string {
	if isAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// checkRootfs is the one check of the config that needs the bundle: the specification wants root.path to be a directory.
func checkRootfs(handle *sys.BundleDir, root *specs.Root) Problems {
	if root == nil || root.Path == "" || hasNUL(root.Path) {
		return nil // Validate has said so
	}
	if err := handle.CheckDirectory(root.Path); err != nil {
		return Problems{{at("root", "path"), "want a directory, " + quote(root.Path) + ": " + err.Error()}}
	}
	return nil
}
