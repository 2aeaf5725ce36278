// Package bpf writes and runs classic BPF programs over struct seccomp_data: Builder assembles a program with labels and jumps of any
// length, Run interprets one as the kernel would. It knows nothing of profiles, actions or system calls, and must not import anything
// of tare.
//
// Errors: Builder.Program answers ErrTooLong; Check and Run say at which instruction a program is not one that seccomp(2) accepts.
package bpf
