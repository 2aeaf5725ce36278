package initproc

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"tare/internal/sys"
	"tare/libcontainer/proto"
	"tare/nsenter"

	"golang.org/x/sys/unix"
)

// courier is a thread of the stage that the filter is not on. It brings the listener of a filter with notifications to the
// runtime while the thread that has loaded the filter makes no system call: that one could wait for its answer for ever.
type courier struct {
	relay *nsenter.Relay
	link  proto.Link
	early bool // the workload is made after the filter was loaded, and
	fork  bool // shares the descriptors of this process when it loads it
}

// hireCourier starts the thread, as long as threads can be made: without a thread of a filter there is no way out.
func (p *initProc) hireCourier() (err error) {
	if p.cfg.Seccomp == nil || !p.cfg.Seccomp.Listener || p.process() == nil {
		return nil
	}
	p.courier = &courier{}
	if p.courier.relay, err = nsenter.NewRelay(); err != nil {
		return err
	}
	// The thread under the filter keeps its share of the Go scheduler, as to give that up may take a system call.
	runtime.GOMAXPROCS(2)
	running := make(chan struct{})
	go p.courier.work(running)
	<-running
	return nil
}

// work ends the process where the thread that waits for it could not.
func (c *courier) work(running chan<- struct{}) {
	runtime.LockOSThread()
	close(running)
	listener, err := c.relay.Await()
	if err == nil {
		err = c.link.SendListener(listener, c.relay.FD)
		sys.Close(listener)
	}
	sys.Close(c.relay.FD)
	if c.early {
		sys.Close(c.link.FD)
	} else if err == nil {
		err = c.awaitGo()
	}
	if err != nil { // the runtime has gone, was stopped, or has given up
		c.relay.Kill()
		os.Exit(1)
	}
	c.relay.Release()
	if c.fork {
		os.Exit(0)
	}
}

// handOverTimeout is how long the runtime may take to hand the listener to the agent: longer than it waits for that. The thread
// under the filter spins meanwhile.
const handOverTimeout = 15 * time.Second

func (c *courier) awaitGo() error {
	n, err := sys.Poll([]unix.PollFd{{Fd: int32(c.link.FD), Events: unix.POLLIN}}, int(handOverTimeout/time.Millisecond))
	if err == nil && n == 0 {
		err = os.ErrDeadlineExceeded
	}
	if err == nil {
		_, err = c.link.Expect(proto.KindGo)
	}
	return err
}

// rejoinTimeout is how long `start` may take to come to its socket.
const rejoinTimeout = 10 * time.Second

// announce tells the runtime that the filter comes next, and lets it find the agent.
func (p *initProc) announce() (err error) {
	if p.courier == nil {
		return nil
	}
	if p.waiting {
		if p.link.FD, err = sys.AcceptBy(p.cfg.StartSocket, time.Now().Add(rejoinTimeout)); err != nil {
			return fmt.Errorf("linux.seccomp.listenerPath (/linux/seccomp/listenerPath): wait for start to take the listener: %w", err)
		}
	}
	p.courier.link = p.link
	if err := p.link.SendLoading(p.courier.early); err != nil {
		return err
	}
	_, err = p.link.Expect(proto.KindGo)
	return err
}

// entrust has the process that is forked leave its listener to the courier.
func (c *courier) entrust(s *nsenter.Spawn) error {
	s.Flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	s.Relay, s.Keepers = c.relay, []int{c.link.FD, c.relay.FD}
	if s.Early {
		return nil
	}
	// This process outlives the runtime then, if only to end the one that waits for it.
	return sys.SetParentDeathSignal(0)
}
