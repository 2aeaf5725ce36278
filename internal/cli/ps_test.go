package cli

import "testing"

func TestLinesOf(t *testing.T) {
	for name, tt := range map[string]struct{ out, want string }{
		"procps -ef": {
			"UID        PID  PPID  C STIME TTY          TIME CMD\nroot         7     1  0 18:40 ?        00:00:00 a 42\nroot        42     7  0 18:40 ?        00:00:00 b\n",
			"UID        PID  PPID  C STIME TTY          TIME CMD\nroot        42     7  0 18:40 ?        00:00:00 b\n",
		},
		"first column":       {"  PID COMMAND\n    7 a\n   42 b\n", "  PID COMMAND\n   42 b\n"},
		"last column":        {"COMMAND           PID\na                   7\nb                  42\n", "COMMAND           PID\nb                  42\n"},
		"hiding":             {"COMMAND           PID\nb 7                42\n", "COMMAND           PID\nb 7                42\n"},
		"posing":             {"COMMAND           PID\nb 42                7\n", "COMMAND           PID\n"},
		"busybox":            {"PID   USER     TIME  COMMAND\n    7 root      0:00 a\n   42 root      0:00 b\n", "PID   USER     TIME  COMMAND\n   42 root      0:00 b\n"},
		"wider than thought": {"USER PID CMD\nsomebody 7 42\nsomebody 42 b\n", "USER PID CMD\nsomebody 42 b\n"},
		"PID as a part":      {"TPID PID CMD\n  42   7 a\n   7  42 b\n", "TPID PID CMD\n   7  42 b\n"},
		"no last newline":    {"PID\n 42", "PID\n 42"},
		"no processes":       {"PID\n", "PID\n"},
		"header alone":       {"PID", "PID\n"},
		"rubbish":            {"PID\n\n-\n 99999999999999999999\n", "PID\n"},
	} {
		if got, err := linesOf([]int{42, 43}, tt.out); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, tt.want)
		}
	}
	for _, out := range []string{"", "\n", "USER CMD\na b\n", "SPID\n42\n"} {
		if got, err := linesOf([]int{42}, out); err == nil {
			t.Errorf("%q: %q, want an error", out, got)
		}
	}
}
