package libcontainer

import (
	"errors"
	"syscall"

	"tare/internal/step"
	"tare/internal/sys"
)

// Run creates a container and starts its workload. In the foreground it waits for the end, deletes the
// container and returns the workload's exit code, 128+N after signal N; detached it returns 0 when the workload
// runs. It is one process and one handshake where create and start are two.
func Run(o RunOptions) (int, error) {
	c := &creation{o: &o.CreateOptions, run: true, recorder: newRecorder(o.RecordSeccomp)}
	if !o.Detach {
		c.foreground = &foreground{passed: make(chan syscall.Signal, 1)}
		defer c.foreground.finish()
		interruption, err := newInterruption()
		if err != nil {
			return 0, err
		}
		c.interruption = interruption
		c.interruption.catch()
		if !o.NoSubreaper {
			if err := sys.SetChildSubreaper(); err != nil {
				return 0, err
			}
		}
	}
	if err := step.Run(c, createSteps); err != nil {
		c.recorder.end()
		return 0, err
	}
	c.init.Close()
	c.exe.Close()
	ct := &Container{root: o.Root, dir: c.dir, state: c.state}
	defer ct.Close()
	code, err := ct.attend(c)
	switch {
	case err == nil && (o.Detach || o.Keep):
	case errors.Is(err, errDeleted):
		err = nil
	default:
		err = also(err, ct.delete(DeleteOptions{Force: true, Warn: c.warn, interrupt: c.interruption.hooks()}))
	}
	return code, also(err, c.recorder.save(c.warn))
}

// attend does what is left once the workload runs, and waits for its end in the foreground.
func (ct *Container) attend(c *creation) (int, error) {
	fg := c.foreground
	if fg != nil && c.console.ours > 0 {
		if err := fg.show(c.console.ours); err != nil {
			return 0, err
		}
	}
	if fg != nil && c.state.Hooks != nil && len(c.state.Hooks.Poststart) > 0 {
		catchRest(fg.signals) // reap, which does so, comes after the hooks
	}
	if err := runPoststart(c.state); err != nil {
		return 0, err
	}
	if fg == nil {
		return 0, c.awaitNotify()
	}
	go func() { // beside the wait: a signal must come through before the workload is ready
		if err := c.awaitNotify(); err != nil {
			c.warn(err.Error())
		}
	}()
	// Commands like kill and delete may come now.
	if err := ct.dir.Unlock(); err != nil {
		return 0, err
	}
	code, err := fg.reap(c.init.Pid, c.init.Pidfd)
	fg.finish()
	if lockErr := ct.dir.Lock(lockTimeout); errors.Is(lockErr, ErrNotExist) {
		return code, errDeleted
	} else if lockErr != nil {
		err = also(err, lockErr)
	}
	return code, err
}

// errDeleted is a container that a delete was faster with: what has its id now is another one.
var errDeleted = errors.New("deleted meanwhile")

func (c *creation) awaitNotify() error {
	err := c.notify.forward(c.init.Pidfd, c.init.Pid)
	c.notify.Close()
	return err
}
