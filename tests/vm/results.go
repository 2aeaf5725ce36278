package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// results is what a guest leaves: the job's output, with the harness's own lines in it, and its exit code.
type results struct {
	output []byte
	code   int
}

// Names in the results archive that belong to guest/run.
const (
	exitEntry   = ".vm/exit"
	outputEntry = ".vm/output"
)

// collect reads the results disk and fills the directory of -results. If the guest left no exit code, the results hold
// what came live, and there is an error: bootErr if that is known, else errGuestDied.
func (m *machine) collect(live []byte, bootErr error, stdout io.Writer) (*results, error) {
	r := &results{output: live}
	var files *os.Root
	if m.o.results != "" {
		if err := os.MkdirAll(m.o.results, 0o755); err != nil {
			return r, err
		}
		var err error
		if files, err = os.OpenRoot(m.o.results); err != nil {
			return r, err
		}
		defer files.Close()
		if console, err := os.ReadFile(m.console()); err == nil {
			if err := files.WriteFile("console.log", console, 0o644); err != nil {
				return r, err
			}
		}
	}
	got, err := m.readDisk(files)
	switch {
	case bootErr != nil:
		err = bootErr
	case err != nil:
		err = fmt.Errorf("%w (%w); its console ends:\n%s", errGuestDied, err, m.consoleTail())
	default:
		m.catchUp(live, got.output, stdout)
		r = got
	}
	if files != nil {
		err = errors.Join(err, files.WriteFile("output.txt", plain(r.output), 0o644))
	}
	return r, err
}

// catchUp prints the end of the output that the serial line had not carried when the machine stopped.
func (m *machine) catchUp(live, all []byte, stdout io.Writer) {
	if rest, ok := bytes.CutPrefix(all, live); ok && m.o.verbose {
		stdout.Write(plain(rest))
	}
}

func (m *machine) readDisk(files *os.Root) (*results, error) {
	disk, err := os.Open(m.resultsDisk())
	if err != nil {
		return nil, err
	}
	defer disk.Close()
	return readResults(disk, files)
}

// readResults reads the archive. The regular files that are not the harness's own go to files, if that is not nil; an
// archive comes from a guest where tests did as they pleased, so nothing may leave that directory.
func readResults(archive io.Reader, files *os.Root) (*results, error) {
	r := &results{code: -1}
	for t := tar.NewReader(archive); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the results: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		switch name := path.Clean(h.Name); name {
		case exitEntry:
			r.code, err = readCode(t)
		case outputEntry:
			r.output, err = io.ReadAll(t)
		default:
			err = saveFile(files, name, t)
		}
		if err != nil {
			return nil, fmt.Errorf("results file %s: %w", h.Name, err)
		}
	}
	if r.code < 0 {
		return nil, errors.New("there is no exit code in the results")
	}
	return r, nil
}

func readCode(r io.Reader) (int, error) {
	text, err := io.ReadAll(io.LimitReader(r, 16))
	if err != nil {
		return -1, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func saveFile(files *os.Root, name string, r io.Reader) error {
	if files == nil {
		return nil
	}
	if err := files.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := files.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// plain makes output readable: without the marks of test2json, and with a heading for each package of a suite.
func plain(output []byte) []byte {
	output = bytes.ReplaceAll(output, []byte{0x16}, nil)
	return bytes.ReplaceAll(output, []byte{mark}, []byte("=== "))
}
