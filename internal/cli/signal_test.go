package cli

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseSignal(t *testing.T) {
	tests := []struct {
		in   string
		want unix.Signal
		bad  bool
	}{
		{in: "0", want: 0},
		{in: "9", want: unix.SIGKILL},
		{in: "64", want: 64},
		{in: "65", bad: true},
		{in: "-9", bad: true},
		{in: "+9", bad: true},
		{in: "0x9", bad: true},
		{in: "", bad: true},
		{in: "TERM", want: unix.SIGTERM},
		{in: "SIGTERM", want: unix.SIGTERM},
		{in: "sigkill", want: unix.SIGKILL},
		{in: "Hup", want: unix.SIGHUP},
		{in: "STKFLT", want: unix.SIGSTKFLT},
		{in: "POLL", want: unix.SIGIO},
		{in: "IOT", want: unix.SIGABRT},
		{in: "SIGSIGTERM", bad: true},
		{in: "SIG", bad: true},
		{in: "RTMIN", want: 34},
		{in: "RTMIN+0", want: 34},
		{in: "SIGRTMIN+3", want: 37},
		{in: "rtmin+30", want: 64},
		{in: "RTMIN+31", bad: true},
		{in: "RTMIN-1", bad: true},
		{in: "RTMIN3", bad: true},
		{in: "RTMIN++3", bad: true},
		{in: "RTMAX", want: 64},
		{in: "SIGRTMAX-30", want: 34},
		{in: "RTMAX-31", bad: true},
		{in: "RTMAX+1", bad: true},
		{in: "FOO", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := parseSignal(tt.in)
			if tt.bad {
				if err == nil || !strings.Contains(err.Error(), "unknown signal ") {
					t.Fatalf("parseSignal = %d, %v; want an unknown signal", got, err)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("parseSignal = %d, %v; want %d", got, err, tt.want)
			}
		})
	}
}

func FuzzSignal(f *testing.F) {
	for _, s := range []string{"9", "SIGKILL", "rtmin+3", "RTMAX-", "RTMIN+99999999999999999999", "SIG\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sig, err := parseSignal(s)
		if err == nil && (sig < 0 || sig > 64) {
			t.Errorf("%q is signal %d", s, sig)
		}
		// The kernel's name of a signal is the signal.
		if name := unix.SignalName(sig); err == nil && name != "" {
			if again, err := parseSignal(name); err != nil || again != sig {
				t.Errorf("%q is %d, its name %s is %d, %v", s, sig, name, again, err)
			}
		}
	})
}
