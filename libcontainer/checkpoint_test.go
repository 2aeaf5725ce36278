package libcontainer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tare/libcontainer/criu"
)

// The snapshot takes the place of an earlier one only when CRIU begins, and there is none without its images.
func TestCheckpoint_Dump(t *testing.T) {
	const (
		request = "dd bs=64k count=1 <&3 >/dev/null 2>&1\n"
		event   = `printf '\010\006\020\001\052\012\012\010pre-dump' >&3` + "\n" + request
		success = `printf '\010\001\020\001' >&3` + "\n"
		failure = `printf '\010\001\020\000' >&3` + "\n"
	)
	for name, tt := range map[string]struct {
		script, want string
		fails        bool
	}{
		"done":           {request + event + event + success, "{\"descriptors\":[\"new\"],", false},
		"failed":         {request + event + failure, "", true},
		"died":           {request + event, "", true},
		"failed at once": {request + failure, "old", true},
		"died at once":   {"exit 1\n", "old", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir, bin := t.TempDir(), t.TempDir()
			for path, text := range map[string]string{dir + "/tare.json": "old", bin + "/criu": "#!/bin/sh\n" + tt.script} {
				if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", bin+":/usr/bin:/bin")
			images, err := os.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer images.Close()
			cp := &checkpoint{criu: criu.Options{Images: images, Work: images, Log: "dump.log", PID: 1}, snapshot: snapshot{Descriptors: []string{"new"}}}
			if err := cp.dump(); (err != nil) != tt.fails {
				t.Error(err)
			}
			got, _ := os.ReadFile(filepath.Join(dir, "tare.json"))
			if !strings.HasPrefix(string(got), tt.want) || (tt.want == "" && len(got) > 0) {
				t.Errorf("tare.json is %q, want %q", got, tt.want)
			}
		})
	}
}
