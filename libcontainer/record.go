package libcontainer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"tare/internal/sys"
	"tare/seccomp"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// recorder watches a run by a filter that notifies of every call: it lets all of them go on, and writes the profile that they need. It
// is the run's seccomp agent, in the run's own process. A nil recorder does nothing.
type recorder struct {
	path  string // of the profile
	calls seccomp.Record
	stop  int           // eventfd: the end of the run
	done  chan struct{} // closed when no more calls are watched; nil if none ever were
	err   error         // why they are not, then
}

func newRecorder(path string) *recorder {
	if path == "" {
		return nil
	}
	return &recorder{path: path}
}

// filter compiles what to watch with, if the profile can be written.
func (r *recorder) filter() (*seccomp.Program, error) {
	if err := checkDirOf(r.path); err != nil {
		return nil, recordError(err)
	}
	if _, err := r.load(); err != nil {
		return nil, recordError(err)
	}
	return seccomp.CompileRecorder()
}

func recordError(err error) error { return fmt.Errorf("recorded seccomp profile: %w", err) }

// load reads the profile of earlier runs, an empty one if there were none. What would be lost when it is written again is an error.
func (r *recorder) load() (*specs.LinuxSeccomp, error) {
	profile := &specs.LinuxSeccomp{}
	file, err := sys.OpenAt(nil, r.path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK) // which a fifo does not hold up
	if errors.Is(err, fs.ErrNotExist) {
		return profile, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err = decoder.Decode(profile); err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one JSON value")
		}
	}
	if err == nil {
		_, err = seccomp.Compile(profile)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is no object for linux.seccomp, and stays as it is: %w", r.path, err)
	}
	return profile, nil
}

// Dial is nothing to do: see launch.Agent.
func (r *recorder) Dial() error { return nil }

// Tell begins to watch.
func (r *recorder) Tell(listener, _ int) (err error) {
	if listener, err = sys.Dup(listener); err != nil {
		return err
	}
	if r.stop, err = sys.Eventfd(); err != nil {
		sys.Close(listener)
		return err
	}
	r.done = make(chan struct{})
	go r.watch(listener)
	return nil
}

// watch lets calls go on until the last process under the filter has ended, or the run has. Whoever is left after that gets ENOSYS from
// the kernel, as after an error: nobody is to wait for an answer that does not come.
func (r *recorder) watch(listener int) {
	defer close(r.done)
	defer sys.Close(listener)
	for {
		fds := [...]unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}, {Fd: int32(r.stop), Events: unix.POLLIN}}
		_, err := sys.Poll(fds[:], -1)
		if err == nil && (fds[1].Revents != 0 || fds[0].Revents&unix.POLLIN == 0) {
			return
		}
		if err == nil {
			err = r.answer(listener)
		}
		if err != nil {
			r.err = fmt.Errorf("watch system calls: %w", err)
			return
		}
	}
}

func (r *recorder) answer(listener int) error {
	n, err := sys.SeccompReceive(listener)
	if err == nil {
		r.calls.Add(n.Arch, n.Number)
		err = sys.SeccompContinue(listener, n.ID)
	}
	if errors.Is(err, unix.ENOENT) { // it was killed, or a signal came
		return nil
	}
	return err
}

// end ends the watching.
func (r *recorder) end() {
	if r == nil || r.done == nil {
		return
	}
	if err := sys.EventfdAdd(r.stop); err == nil {
		<-r.done
	}
	sys.Close(r.stop)
}

// save ends the watching and adds what was seen to the profile, as it is by now: there may have been other runs. The umask counts.
func (r *recorder) save(warn func(string)) error {
	if r == nil || r.done == nil {
		return nil
	}
	r.end()
	profile, err := r.load()
	if err == nil {
		err = r.calls.AddTo(profile)
	}
	var text []byte
	if err == nil {
		text, err = json.MarshalIndent(profile, "", "  ")
	}
	if err == nil {
		err = sys.ReplaceFile(r.path, append(text, '\n'), 0o666)
	}
	for _, text := range r.calls.Nameless() {
		warn("recorded seccomp profile: the workload called " + text + ", which has no name and stays forbidden")
	}
	if err = errors.Join(r.err, err); err != nil {
		return recordError(err)
	}
	return nil
}
