package cli

import (
	"math/big"
	"strconv"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"-1": -1, "0": 0, "1": 1, "007": 7, "5b": 5, "5B": 5, "5 b": 5,
		"1k": 1 << 10, "1K": 1 << 10, "1kb": 1 << 10, "1KiB": 1 << 10, "1 kib": 1 << 10,
		"64m": 64 << 20, "2g": 2 << 30, "3T": 3 << 40, "4p": 4 << 50, "8191p": 8191 << 50,
		"1.5g": 3 << 29, "0.1k": 102, "0.999999999999999999k": 1023, "0.999999999999999999p": 1<<50 - 1, "1.0": 1, "5 ": 5,
		"9223372036854775807": 1<<63 - 1,
	} {
		if got, err := parseSize(s); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", s, got, err, want)
		}
	}
}

func TestParseSize_Refused(t *testing.T) {
	for _, s := range []string{
		"", " ", "-", "-2", "-5m", "--1", "+5", "m", "k5", "5x", "5kk", "5bk", "5i", "5ib", " 5", "5  k", "5k ", "1e3", "0x10",
		"1_000", ".5", "5.", "1.2.3", "1/2", "inf", "8192p", "9223372036854775808", "99999999999p", strings.Repeat("9", 1000),
		"1." + strings.Repeat("0", 19), "8191.5p9", "1,5g", "٣", "5\x00", "5\n",
	} {
		if got, err := parseSize(s); err == nil {
			t.Errorf("%.20q: %d, want an error", s, got)
		}
	}
}

// FuzzParseSize: what is taken is what its parts say, and is never negative but for -1.
func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"-1", "64m", "1.5 GiB", "8191p", "0.001t", "5ib", "9223372036854775808"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseSize(s)
		if err != nil || got == -1 && s == "-1" {
			return
		}
		end := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if end < 0 {
			end = len(s)
		}
		want, ok := new(big.Rat).SetString(s[:end])
		if !ok {
			t.Fatalf("%q was taken for %d", s, got)
		}
		unit := strings.ToLower(strings.TrimSpace(s[end:]))
		for power := strings.Index("bkmgtp", (unit + "b")[:1]); power > 0; power-- {
			want.Mul(want, big.NewRat(1024, 1))
		}
		if whole := new(big.Int).Quo(want.Num(), want.Denom()); whole.String() != strconv.FormatInt(got, 10) {
			t.Fatalf("%q: %d, want %s", s, got, whole)
		}
	})
}
