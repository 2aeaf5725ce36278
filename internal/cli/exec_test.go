package cli

import (
	"strconv"
	"strings"
	"testing"
)

func TestParseUser(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0 -", "1000": "1000 -", "1000:0": "1000 0", "4294967294:1": "4294967294 1",
		"": "", ":": "", "1:": "", ":1": "", "1:2:3": "", "-1": "", "+1": "", " 1": "", "1 ": "", "007": "", "00": "", "0x1": "", "1_0": "",
		"4294967295": "", "4294967296": "", "99999999999999999999": "", "root": "", "1:root": "", "1\n": "",
	} {
		uid, gid, err := parseUser(text)
		got := ""
		if err == nil {
			got = strconv.FormatUint(uint64(*uid), 10) + " -"
			if gid != nil {
				got = strings.TrimSuffix(got, "-") + strconv.FormatUint(uint64(*gid), 10)
			}
		}
		if got != want {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

// FuzzParseID: what is taken for an id is that id, as written; anything else is an error, and never 0.
func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"0", "1000", "4294967294", "4294967295", "007", "-1", "+1", " 1", "1e3", "١"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseID(text)
		if err == nil && strconv.FormatUint(uint64(id), 10) != text {
			t.Errorf("%q is taken for %d", text, id)
		}
		if err != nil && id != 0 {
			t.Errorf("%q: %d with %v", text, id, err)
		}
	})
}
