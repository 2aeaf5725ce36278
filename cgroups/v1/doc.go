// Package v1 is the container's part of cgroup v1: one directory in each hierarchy, for hosts that have some or all of their
// controllers there. It is to be deleted when no such host is left, and so nothing but package cgroups knows it.
//
// Hierarchies says what is mounted where, Settings what the limits of a config.json are in files and values, and a Group is the
// container's cgroup: made, joined, changed, measured and removed in all of its hierarchies. Where the host has a v2 tree
// beside them, that one freezes, counts and kills; the Group does so where there is none.
//
// It imports internal/sys, the sister packages v2, devbpf and stats, and the specification's types. The forms of files, the words
// for errors and the sentinels are v2's.
package v1
