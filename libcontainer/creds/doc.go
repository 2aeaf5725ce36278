// Package creds gives the calling thread the ids, groups and capabilities of a spec's process. It works on
// process.user and process.capabilities and acts through internal/sys alone, on the calling thread: the init
// stage calls it on the thread that executes the workload.
package creds
