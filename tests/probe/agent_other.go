//go:build !amd64

package main

const sysMkdir = -1 // mkdirat alone, or another number that Go's os package does not use
