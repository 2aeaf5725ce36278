// Demo runs one container with tare and shows what it sees beside what the host has.
//
// It is also the shortest complete example of a bundle: bundle.go says what is in one, main.go runs it. Nothing is
// downloaded: the root file system holds one static program, the probe of tests/probe, which tells about itself. That
// program is run twice, on the host and in the container, and table.go puts the two answers side by side.
package main
