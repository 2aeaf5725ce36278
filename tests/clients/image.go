package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// image is what all clients run: Debian's static busybox with its commands as links, and a few accounts.
type image struct {
	busybox    string
	name       string
	command    []string // of a container that is given none
	user       string   // of a container that is given none; empty: root
	stopSignal string   // empty: SIGTERM
	files      map[string]imageFile
}

type imageFile struct {
	text string
	mode int64
}

// reference is the image's name for all clients.
const reference = "localhost/tare-clients:1"

func findImage() (*image, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return nil, fmt.Errorf("the image needs Debian's busybox-static: %w", err)
	}
	return &image{busybox: path, name: reference, command: []string{"sh"}, files: maps.Clone(accounts)}, nil
}

var accounts = map[string]imageFile{
	"etc/passwd": {"root:x:0:0:root:/root:/bin/sh\nalice:x:1234:1234:Alice:/home/alice:/bin/sh\n", 0o644},
	"etc/group":  {"root:x:0:\nalice:x:1234:\nstaff:x:50:alice\n", 0o644},
}

var directories = []string{"bin", "dev", "etc", "home", "home/alice", "proc", "root", "run", "sys", "tmp", "usr", "usr/bin", "var", "data"}

// commands are busybox' applets.
func (m *image) commands() ([]string, error) {
	out, err := exec.Command(m.busybox, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --list: %w", m.busybox, err)
	}
	return strings.Fields(string(out)), nil
}

// layer is the image's file system as a tar archive.
func (m *image) layer() ([]byte, error) {
	binary, err := os.ReadFile(m.busybox)
	if err != nil {
		return nil, err
	}
	applets, err := m.commands()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(h tar.Header, data string) {
		h.Size = int64(len(data))
		if err == nil {
			err = w.WriteHeader(&h)
		}
		if err == nil {
			_, err = w.Write([]byte(data))
		}
	}
	for _, d := range directories {
		mode := int64(0o755)
		if d == "tmp" {
			mode = 0o1777
		}
		put(tar.Header{Typeflag: tar.TypeDir, Name: d + "/", Mode: mode}, "")
	}
	for name, file := range m.files {
		put(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: file.mode}, file.text)
	}
	put(tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755}, string(binary))
	for _, a := range applets {
		if a != "busybox" {
			put(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + a, Linkname: "busybox"}, "")
		}
	}
	if err != nil {
		return nil, err
	}
	return b.Bytes(), w.Close()
}

// unpack makes a root file system of the image in a directory, for clients that take one.
func (m *image) unpack(dir string) error {
	layer, err := m.layer()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cmd := exec.Command("tar", "-x", "-C", dir)
	cmd.Stdin = bytes.NewReader(layer)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("unpacking the image in %s: %w: %s", dir, err, out)
	}
	return nil
}

// archive writes the image to a file in a form that all clients load: an OCI layout in a tar archive, with the manifest.json of
// `docker save` beside it.
func (m *image) archive(path string) error {
	layer, err := m.layer()
	if err != nil {
		return err
	}
	blobs := map[string][]byte{}
	add := func(data []byte) (digest string) {
		sum := sha256.Sum256(data)
		digest = hex.EncodeToString(sum[:])
		blobs["blobs/sha256/"+digest] = data
		return digest
	}
	layerDigest := add(layer)
	config := add(encode(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": "2024-01-01T00:00:00Z",
		"config": m.config(),
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + layerDigest}},
		// Optional, but builders of Debian 12 count the layers by it.
		"history": []any{map[string]string{"created": "2024-01-01T00:00:00Z", "created_by": "tests/clients"}},
	}))
	descriptor := func(kind, digest string) map[string]any {
		return map[string]any{
			"mediaType": "application/vnd.oci.image." + kind + ".v1" + map[string]string{"layer": ".tar", "config": "+json", "manifest": "+json"}[kind],
			"digest":    "sha256:" + digest, "size": len(blobs["blobs/sha256/"+digest]),
		}
	}
	manifest := add(encode(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": descriptor("config", config), "layers": []any{descriptor("layer", layerDigest)},
	}))
	index := descriptor("manifest", manifest)
	index["annotations"] = map[string]string{"io.containerd.image.name": m.name, "org.opencontainers.image.ref.name": m.name}
	blobs["oci-layout"] = encode(map[string]string{"imageLayoutVersion": "1.0.0"})
	blobs["index.json"] = encode(map[string]any{"schemaVersion": 2, "manifests": []any{index}})
	blobs["manifest.json"] = encode([]any{map[string]any{
		"Config": "blobs/sha256/" + config, "RepoTags": []string{m.name}, "Layers": []string{"blobs/sha256/" + layerDigest},
	}})
	return writeTar(path, blobs)
}

// config is what containers are made with that are told nothing else.
func (m *image) config() map[string]any {
	all := map[string]any{"Cmd": m.command, "Env": []string{"PATH=/usr/bin:/bin"}}
	if m.user != "" {
		all["User"] = m.user
	}
	if m.stopSignal != "" {
		all["StopSignal"] = m.stopSignal
	}
	return all
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings and numbers have no reason to fail
	}
	return data
}

func writeTar(path string, files map[string][]byte) error {
	f, err := os.Create(filepath.Clean(path))
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	for name, data := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}
