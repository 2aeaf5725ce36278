package proto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/internal/wire"
	"tare/seccomp"
)

// pair makes both ends of a conversation.
func pair(t testing.TB) (a, b Link) {
	t.Helper()
	x, y, err := sys.Socketpair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(x); unix.Close(y) })
	return Link{FD: x}, Link{FD: y}
}

// closing sends bytes, in the background as they may be more than a socket holds, and ends the conversation.
func closing(t testing.TB, b []byte) Link {
	t.Helper()
	x, y, err := sys.Socketpair()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() {
		_ = sys.Write(x, b)
		unix.Close(x)
		close(done)
	}()
	t.Cleanup(func() { unix.Close(y); <-done })
	return Link{FD: y}
}

func config() *Config {
	uid := uint32(7)
	return &Config{
		ID: "web", Bundle: "/b", Rootfs: "/b/rootfs",
		Spec: &specs.Spec{
			Version: specs.Version, Hostname: "h\x00\xff",
			Process: &specs.Process{Args: []string{"sh", ""}, User: specs.User{UID: 5, Umask: &uid}, Terminal: true},
			Linux:   &specs.Linux{Sysctl: map[string]string{"a": "b", "": ""}, MaskedPaths: []string{}},
		},
		Seccomp: &seccomp.Program{}, NoPivot: true, Start: true, UserNS: true, Proc: 3, Fifo: -1,
		Console: math.MaxInt32, Sources: []int{0, 12}, ListenFDs: 2, PreserveFDs: 1, NotifyDir: "/n",
	}
}

func TestLink_RoundTrip(t *testing.T) {
	a, b := pair(t)
	tests := []struct {
		name  string
		send  func() error
		kind  Kind
		value string
	}{
		{"go", func() error { return a.Send(KindGo) }, KindGo, ""},
		{"mounted", func() error { return a.Send(KindMounted) }, KindMounted, ""},
		{"ready", func() error { return a.Send(KindReady) }, KindReady, ""},
		{"warning", func() error { return a.SendWarning("naïve\n\x00") }, KindWarning, "naïve\n\x00"},
		{"empty warning", func() error { return a.SendWarning("") }, KindWarning, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.send(); err != nil {
				t.Fatal(err)
			}
			if k, v, err := b.Receive(); err != nil || k != tt.kind || string(v) != tt.value {
				t.Errorf("kind %d, %q, %v, want %d, %q", k, v, err, tt.kind, tt.value)
			}
		})
	}
	t.Run("config", func(t *testing.T) {
		want := config()
		sent := make(chan error, 1)
		go func() { sent <- a.SendConfig(want) }()
		got, err := b.ReceiveConfig()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
	t.Run("config of 3 MB", func(t *testing.T) {
		want := config()
		want.Spec.Process.Env = []string{strings.Repeat("x", 3<<20)}
		sent := make(chan error, 1)
		go func() { sent <- a.SendConfig(want) }()
		got, err := b.ReceiveConfig()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("not what was sent, or %v", err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
	t.Run("several at once", func(t *testing.T) {
		for _, k := range []Kind{KindMounted, KindReady, KindGo} {
			if err := a.Send(k); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range []Kind{KindMounted, KindReady, KindGo} {
			if v, err := b.Expect(k); err != nil || len(v) != 0 {
				t.Errorf("Expect(%d): %q, %v", k, v, err)
			}
		}
	})
}

// TestFailure: an error keeps its sentence and its errno on the way.
func TestFailure(t *testing.T) {
	a, b := pair(t)
	tests := []struct {
		name  string
		err   error
		errno syscall.Errno // 0: none
	}{
		{"errno", unix.ENODEV, unix.ENODEV},
		{"wrapped", fmt.Errorf("mounts[3] (/mounts/3): %w: is it there?", &os.PathError{Op: "mount", Path: "/d", Err: unix.EBUSY}), unix.EBUSY},
		{"the first of two", errors.Join(errors.New("x"), unix.EPERM, unix.EIO), unix.EPERM},
		{"none", errors.New("sentence"), 0},
		{"empty", errors.New(""), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := a.SendFailure(tt.err); err != nil {
				t.Fatal(err)
			}
			value, err := b.Expect(KindFailure)
			if err != nil {
				t.Fatal(err)
			}
			got := DecodeFailure(value)
			if got.Error() != tt.err.Error() {
				t.Errorf("%q, want %q", got, tt.err)
			}
			errno, ok := errors.AsType[syscall.Errno](got)
			if errno != tt.errno || ok != (tt.errno != 0) {
				t.Errorf("errno %v (%v), want %v", errno, ok, tt.errno)
			}
			if tt.errno != 0 && !errors.Is(got, tt.errno) {
				t.Errorf("errors.Is does not find %v", tt.errno)
			}
		})
	}
	if err := DecodeFailure([]byte{0xff}); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("garbage: %v, want ErrMalformed", err)
	}
}

// message frames a value as send does.
func message(k Kind, size uint32, value string) []byte {
	m := make([]byte, 5, 5+len(value))
	m[0] = byte(k)
	binary.NativeEndian.PutUint32(m[1:], size)
	return append(m, value...)
}

func TestReceive_Broken(t *testing.T) {
	tests := []struct {
		name string
		sent []byte
		want error
	}{
		{"nothing", nil, io.EOF},
		{"a kind", []byte{byte(KindGo)}, io.ErrUnexpectedEOF},
		{"half a head", message(KindGo, 0, "")[:4], io.ErrUnexpectedEOF},
		{"no value", message(KindWarning, 5, ""), io.ErrUnexpectedEOF},
		{"half a value", message(KindWarning, 5, "abc"), io.ErrUnexpectedEOF},
		{"too long by one", message(KindWarning, maxMessage+1, ""), ErrOutOfOrder},
		{"as long as can be said", message(KindConfig, math.MaxUint32, ""), ErrOutOfOrder},
		{"garbage", bytes.Repeat([]byte{0xff}, 100), ErrOutOfOrder},
		{"text", []byte("HTTP/1.1 400 Bad Request\r\n"), ErrOutOfOrder},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if k, v, err := closing(t, tt.sent).Receive(); !errors.Is(err, tt.want) {
				t.Errorf("kind %d, %d bytes, %v, want %v", k, len(v), err, tt.want)
			}
		})
	}
	t.Run("after a whole one", func(t *testing.T) {
		l := closing(t, append(message(KindGo, 0, ""), byte(KindGo)))
		if _, err := l.Expect(KindGo); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Expect(KindGo); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v, want io.ErrUnexpectedEOF", err)
		}
	})
	t.Run("peer dies with something unread", func(t *testing.T) {
		a, b, err := sys.Socketpair()
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(a)
		if err := (Link{FD: a}).Send(KindGo); err != nil {
			t.Fatal(err)
		}
		unix.Close(b)
		if _, _, err := (Link{FD: a}).Receive(); !errors.Is(err, io.EOF) {
			t.Errorf("%v, want io.EOF", err)
		}
		if err := (Link{FD: a}).Send(KindGo); !errors.Is(err, unix.EPIPE) {
			t.Errorf("Send: %v, want EPIPE", err)
		}
	})
	t.Run("no socket", func(t *testing.T) {
		if _, _, err := (Link{FD: -1}).Receive(); !errors.Is(err, unix.EBADF) {
			t.Errorf("Receive: %v, want EBADF", err)
		}
		if err := (Link{FD: -1}).Send(KindGo); !errors.Is(err, unix.EBADF) {
			t.Errorf("Send: %v, want EBADF", err)
		}
	})
}

func TestExpect_WrongOrder(t *testing.T) {
	for want := KindConfig; want <= KindFailure; want++ {
		for got := Kind(0); got <= KindFailure+1; got++ {
			_, err := closing(t, message(got, 1, "x")).Expect(want)
			if ok := err == nil; ok != (got == want) || (err != nil && !errors.Is(err, ErrOutOfOrder)) {
				t.Errorf("kind %d where %d is to come: %v", got, want, err)
			}
		}
	}
}

func TestReceiveConfig_Broken(t *testing.T) {
	whole := wire.Append(nil, config())
	if _, err := closing(t, message(KindConfig, uint32(len(whole)), string(whole))).ReceiveConfig(); err != nil {
		t.Fatalf("whole: %v", err)
	}
	for n := range whole {
		if _, err := closing(t, message(KindConfig, uint32(n), string(whole[:n]))).ReceiveConfig(); !errors.Is(err, wire.ErrMalformed) {
			t.Fatalf("cut off at %d of %d bytes: %v, want ErrMalformed", n, len(whole), err)
		}
	}
	if _, err := closing(t, message(KindGo, 0, "")).ReceiveConfig(); !errors.Is(err, ErrOutOfOrder) {
		t.Errorf("another kind: %v, want ErrOutOfOrder", err)
	}
	if _, err := closing(t, nil).ReceiveConfig(); !errors.Is(err, io.EOF) {
		t.Errorf("nothing: %v, want io.EOF", err)
	}
}

// FuzzReceive: whatever comes, Receive takes apart what is there and ends.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{})
	f.Add(message(KindGo, 0, ""))
	f.Add(message(KindWarning, 3, "abc"))
	f.Add(message(KindWarning, 9, "abc"))
	f.Add(message(KindConfig, math.MaxUint32, ""))
	f.Add(append(message(KindMounted, 0, ""), message(KindFailure, 2, "\x00\x00")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := closing(t, b)
		var whole []byte
		for {
			k, v, err := l.Receive()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrOutOfOrder) {
					t.Errorf("error %v", err)
				}
				if errors.Is(err, io.EOF) && len(whole) != len(b) {
					t.Errorf("the end after %d of %d bytes", len(whole), len(b))
				}
				break
			}
			whole = append(whole, message(k, uint32(len(v)), string(v))...)
			if k == KindFailure {
				_ = DecodeFailure(v).Error()
			}
		}
		if !bytes.HasPrefix(b, whole) {
			t.Errorf("received %x of %x", whole, b)
		}
	})
}

// FuzzConfig: what decodes can be encoded again to the same value; what does not is ErrMalformed.
func FuzzConfig(f *testing.F) {
	f.Add(wire.Append(nil, &Config{}))
	f.Add(wire.Append(nil, config()))
	f.Add(wire.Append(nil, config())[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		var c, again Config
		if err := wire.Decode(b, &c); err != nil {
			if !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("error %v, want ErrMalformed", err)
			}
			return
		}
		if err := wire.Decode(wire.Append(nil, &c), &again); err != nil {
			t.Errorf("decoded, but not again after encoding: %v", err)
		}
	})
}
