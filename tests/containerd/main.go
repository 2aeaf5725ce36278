// Command containerd prints containerd's default seccomp profile as JSON, for a container with the capabilities that are its arguments.
//
// It is a module of its own: the profile's package brings many others with it, which tare's tests must not depend on.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func main() {
	profile := seccomp.DefaultProfile(&specs.Spec{
		Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: os.Args[1:]}},
		Linux:   &specs.Linux{},
	})
	if err := json.NewEncoder(os.Stdout).Encode(profile); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
