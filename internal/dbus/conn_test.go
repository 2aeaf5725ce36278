package dbus

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const patience = 20 * time.Second

// peer is the other end of a connection, played by the test.
type peer struct {
	net.Conn
	in     *bufio.Reader
	serial uint32
}

// serve plays the peer at a new socket, once, and returns the socket's path.
func serve(t *testing.T, play func(p *peer) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(patience))
			err = play(&peer{Conn: conn, in: bufio.NewReader(conn)})
			conn.Close()
		}
		done <- err
	}()
	t.Cleanup(func() {
		l.Close()
		// A connection that the other end closed with something unread in it is reset.
		if err := <-done; err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, unix.ECONNRESET) {
			t.Error("peer:", err)
		}
	})
	return path
}

func (p *peer) welcome() error {
	if c, err := p.in.ReadByte(); c != 0 || err != nil {
		return errors.Join(errors.New("no zero byte first"), err)
	}
	for _, line := range []struct{ want, answer string }{
		{"AUTH EXTERNAL", "DATA\r\n"}, {"DATA", "OK 0123456789abcdef0123456789abcdef\r\n"}, {"BEGIN", ""},
	} {
		got, err := p.in.ReadString('\n')
		if err != nil || strings.TrimSuffix(got, "\r\n") != line.want {
			return errors.Join(errors.New("got "+got+" want "+line.want), err)
		}
		if _, err := p.Write([]byte(line.answer)); err != nil {
			return err
		}
	}
	return nil
}

func (p *peer) receive() (*message, error) {
	b := make([]byte, headLength)
	if _, err := io.ReadFull(p.in, b); err != nil {
		return nil, err
	}
	n, err := length(b)
	if err != nil {
		return nil, err
	}
	b = append(b, make([]byte, n-headLength)...)
	if _, err := io.ReadFull(p.in, b[headLength:]); err != nil {
		return nil, err
	}
	return unmarshal(b)
}

func (p *peer) send(all ...*message) error {
	for _, m := range all {
		p.serial++
		m.serial = p.serial
		b, err := m.marshal()
		if err != nil {
			return err
		}
		if _, err := p.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// answer receives a call of that name and sends what follows, with its serial.
func (p *peer) answer(member string, all ...*message) error {
	call, err := p.receive()
	if err != nil {
		return err
	}
	if call.member != member || call.kind != kindCall {
		return errors.New("got a call of " + call.member + ", want " + member)
	}
	for _, m := range all {
		if m.kind != kindSignal && m.reply == 0 {
			m.reply = call.serial
		}
	}
	return p.send(all...)
}

func reply(signature string, args ...any) *message {
	return &message{kind: kindReturn, sender: ":1.7", signature: signature, args: args}
}

func jobRemoved(sender, job, unit, result string) *message {
	return &message{
		kind: kindSignal, sender: sender, path: "/m", iface: "m.Manager", member: "JobRemoved",
		signature: "uoss", args: []any{uint32(1), job, unit, result},
	}
}

var jobs = Match{Sender: "m", Path: "/m", Interface: "m.Manager", Member: "JobRemoved", Arg: 2, Value: "web.scope"}

func TestConversation(t *testing.T) {
	path := serve(t, func(p *peer) error {
		return errors.Join(
			p.welcome(),
			p.answer("Hello", &message{kind: kindSignal, path: busPath, iface: busName, member: "NameAcquired", signature: "s", args: []any{":1.5"}}, reply("s", ":1.5")),
			p.answer("AddMatch", reply("")),
			// A signal may come before the answer, from somebody else, about another job; only the last one is meant.
			p.answer("Start", jobRemoved(":1.9", "/job/1", "web.scope", "forged"), jobRemoved(":1.7", "/job/0", "web.scope", "done"),
				jobRemoved(":1.7", "/job/1", "other.scope", "done"), &message{kind: kindReturn, sender: ":1.7", reply: 99}, reply("o", "/job/1"), jobRemoved(":1.7", "/job/1", "web.scope", "done")),
			p.answer("Refuse", &message{kind: kindError, errorName: "m.No", signature: "s", args: []any{"not today"}}),
		)
	})
	c, err := Dial(PathAddress(path), true, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Listen(jobs, patience); err != nil {
		t.Fatal(err)
	}
	if err := c.Listen(jobs, patience); err != nil { // known already: nothing is asked
		t.Fatal(err)
	}
	answer, err := c.Call(&Method{Destination: "m", Path: "/m", Interface: "m.Manager", Member: "Start", Signature: "s", Args: []any{"web.scope"}}, patience)
	if err != nil || !reflect.DeepEqual(answer, []any{"/job/1"}) {
		t.Fatalf("answer %v, %v", answer, err)
	}
	args, err := c.AwaitSignal(patience, func(args []any) bool { return args[1] == answer[0] })
	if err != nil || args[3] != "done" {
		t.Errorf("signal %v, %v", args, err)
	}
	_, err = c.Call(&Method{Member: "Refuse", Path: "/m"}, patience)
	if !IsError(err, "m.No") || err.Error() != "Refuse: not today (m.No)" {
		t.Errorf("refusal: %v", err)
	}
}

func TestDirect(t *testing.T) {
	path := serve(t, func(p *peer) error {
		return errors.Join(p.welcome(), p.answer("Get", reply("v", Variant{"s", "x"})))
	})
	c, err := Dial(PathAddress(path), false, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Listen(jobs, patience); err != nil { // no bus to tell
		t.Fatal(err)
	}
	answer, err := c.Call(&Method{Path: "/m", Member: "Get"}, patience)
	if err != nil || !reflect.DeepEqual(answer, []any{Variant{"s", "x"}}) {
		t.Errorf("answer %v, %v", answer, err)
	}
}

// Whatever does not answer, at whatever point, ends in an error in time.
func TestHangs(t *testing.T) {
	wait := func(p *peer) error { _, err := io.Copy(io.Discard, p.in); return err }
	for name, play := range map[string]func(p *peer) error{
		"never answers":        wait,
		"asks and falls quiet": func(p *peer) error { _, _ = p.Write([]byte("DATA\r\n")); return wait(p) },
		"no hello":             func(p *peer) error { return errors.Join(p.welcome(), wait(p)) },
		"half a message": func(p *peer) error {
			_, _ = p.Write([]byte("DATA\r\nOK x\r\n" + hello[:40]))
			return wait(p)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := serve(t, play)
			begin := time.Now()
			_, err := Dial(PathAddress(path), true, 200*time.Millisecond)
			if !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "no answer within 200ms") {
				t.Errorf("error %v", err)
			}
			if took := time.Since(begin); took > patience/2 {
				t.Errorf("it took %v", took)
			}
		})
	}
	t.Run("signal that never comes", func(t *testing.T) {
		path := serve(t, func(p *peer) error { return errors.Join(p.welcome(), wait(p)) })
		c, err := Dial(PathAddress(path), false, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Listen(jobs, patience); err != nil {
			t.Fatal(err)
		}
		if _, err := c.AwaitSignal(100*time.Millisecond, func([]any) bool { return true }); !errors.Is(err, ErrTimeout) {
			t.Errorf("error %v", err)
		}
	})
}

// A listener that accepts nobody fills up; the wait for room has an end, too.
func TestFullBacklog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 1)); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		_, err := Dial(PathAddress(path), false, 50*time.Millisecond)
		if !errors.Is(err, ErrTimeout) {
			t.Fatalf("error %v", err)
		}
	}
}

func TestBroken(t *testing.T) {
	for name, tt := range map[string]struct {
		play func(p *peer) error
		want string
	}{
		"rejected": {func(p *peer) error {
			_, _ = p.Write([]byte("REJECTED EXTERNAL\r\n"))
			_, err := io.Copy(io.Discard, p.in)
			return err
		}, "the peer refuses user"},
		"closed": {func(*peer) error { return nil }, "was closed"},
		"endless line": {func(p *peer) error {
			_, _ = p.Write(make([]byte, 1<<16))
			_, err := io.Copy(io.Discard, p.in)
			return err
		}, "a line of more than"},
		"garbage": {func(p *peer) error { return errors.Join(p.welcome(), p.garbage()) }, "byte order"},
		"hello refused": {func(p *peer) error {
			return errors.Join(p.welcome(), p.answer("Hello", &message{kind: kindError, errorName: "x.LimitsExceeded"}))
		}, "x.LimitsExceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			path := serve(t, tt.play)
			_, err := Dial(PathAddress(path), true, patience)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		_, err := Dial("unix:path=/nonexistent/a;unix:abstract=tare-no-such-socket", true, patience)
		if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("error %v", err)
		}
	})
}

func (p *peer) garbage() error {
	if _, err := p.receive(); err != nil {
		return err
	}
	_, err := p.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	return err
}

// Signals that nobody awaits do not pile up.
func TestSignalsAreBounded(t *testing.T) {
	path := serve(t, func(p *peer) error {
		if err := p.welcome(); err != nil {
			return err
		}
		for range 10 * maxSignals {
			if err := p.send(jobRemoved("", "/job/1", "web.scope", "done")); err != nil {
				return err
			}
		}
		return p.answer("Get", &message{kind: kindReturn})
	})
	c, err := Dial(PathAddress(path), false, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Listen(jobs, patience); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Call(&Method{Path: "/m", Member: "Get"}, patience); err != nil {
		t.Fatal(err)
	}
	if len(c.signals) != maxSignals {
		t.Errorf("%d signals are kept", len(c.signals))
	}
}
