package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// points lists the mount points of a mountinfo file.
func points(path string) (all []string) {
	for _, line := range lines(path) {
		if fields := strings.Fields(line); len(fields) > 4 {
			all = append(all, fields[4])
		}
	}
	return all
}

// hook appends one JSON line about how it was called to the file FILE, then exits with CODE (default 0), after SECS
// seconds (default none). It is what a test puts into config.json as a hook.
func hook(args []string) {
	need(args, 2, "hook FILE NAME [CODE [SECS]]")
	stdin, _ := io.ReadAll(os.Stdin)
	var state struct{ Pid int }
	_ = json.Unmarshal(stdin, &state)
	init := fmt.Sprintf("/proc/%d/", state.Pid)
	cmdline, _ := os.ReadFile(init + "cmdline")
	status := readStatus()
	record := map[string]any{
		"name": args[1], "state": string(stdin), "args": os.Args, "env": os.Environ(), "cwd": getcwd(),
		"pid": os.Getpid(), "namespaces": namespaces(), "uid": os.Getuid(), "capabilities": hex(status["CapEff"]),
		"noNewPrivs": decimal(status["NoNewPrivs"]), "points": points("/proc/self/mountinfo"),
		"initPoints": points(init + "mountinfo"), "initArgs": strings.TrimRight(string(cmdline), "\x00"),
	}
	line, err := json.Marshal(record)
	if err != nil {
		die("%v", err)
	}
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		failed(err)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		failed(err)
	}
	if len(args) > 3 {
		time.Sleep(time.Duration(decimal(args[3])) * time.Second)
	}
	if len(args) > 2 && args[2] != "0" {
		fmt.Println("hook output of " + args[1])
		os.Exit(decimal(args[2]))
	}
}
