package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// fdHammer looks at the descriptors of all processes for a link with that text, for as many seconds. It prints what it finds,
// and how many processes but itself it could look into.
func fdHammer(args []string) {
	need(args, 2, "fd-hammer TEXT SECONDS")
	fmt.Println("ready")
	seen := map[string]bool{}
	self := fmt.Sprintf("/proc/%d/", os.Getpid())
	for end := time.Now().Add(time.Duration(decimal(args[1])) * time.Second); time.Now().Before(end); {
		links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
		for _, link := range links {
			target, err := os.Readlink(link)
			if err != nil || strings.HasPrefix(link, self) {
				continue
			}
			seen[strings.Split(link, "/")[2]] = true
			if strings.Contains(target, args[0]) {
				fmt.Println("found", link, target)
			}
		}
	}
	fmt.Println("processes:", len(seen))
}
