package main

import (
	"encoding/json"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/testutil/view"
)

// report prints a view.Report. Its arguments name sysctls to include, as paths below /proc/sys or with dots.
func report(fds []view.FD, sysctls []string) {
	status := readStatus()
	r := view.Report{
		Process:    process(status),
		Privileges: privileges(status),
		FDs:        fds,
		Limits:     limits(),
		Schedule:   schedule(),
		Attributes: attributes(),
		Signals:    signals(status),
		Terminal:   terminal(),
		UTS:        uts(),
		Clocks:     clocks(),
		Keyring:    sessionKeyring(),
		Namespaces: namespaces(),
		Mounts:     mounts(),
		Cgroups:    lines("/proc/self/cgroup"),
		Devices:    devices("/dev"),
		Sysctls:    readSysctls(sysctls),
	}
	r.Interfaces = interfaces()
	enc := json.NewEncoder(os.Stdout)
	if err := enc.Encode(&r); err != nil {
		die("%v", err)
	}
}

// interfaces gives the flags as the kernel numbers them: Go's are its own.
func interfaces() map[string]uint32 {
	list, err := net.Interfaces()
	if err != nil {
		return nil
	}
	sock, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(sock)
	flags := map[string]uint32{}
	for _, dev := range list {
		req, err := unix.NewIfreq(dev.Name)
		if err != nil || unix.IoctlIfreq(sock, unix.SIOCGIFFLAGS, req) != nil {
			continue
		}
		flags[dev.Name] = uint32(req.Uint16())
	}
	return flags
}

func readSysctls(names []string) map[string]*string {
	if len(names) == 0 {
		return nil
	}
	values := map[string]*string{}
	for _, name := range names {
		path := name
		if !strings.Contains(path, "/") {
			path = strings.ReplaceAll(path, ".", "/")
		}
		values[name] = nil
		if data, err := os.ReadFile("/proc/sys/" + path); err == nil {
			text := strings.TrimSpace(string(data))
			values[name] = &text
		}
	}
	return values
}
