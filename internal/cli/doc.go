// Package cli is tare's command line: it turns arguments into calls of libcontainer and their results into output,
// log records and exit codes. One file per command; what all of them share is in app.go (the walk from argv to exit
// code), global.go (global options), report.go (errors and logs), root.go (the state root), container.go (finding a
// container), flag.go and help.go.
//
// The command line is runc's, so that tare drops in; docs and man pages say where it does more.
//
// Commands return errors and never print them; [Main] reports the one error, in one place, on one line: as a record
// in the log and as text on standard error. Nothing is printed on success but what was asked for.
//
// The package makes no system calls of its own, and nothing imports it but main, and the generator of completions.
package cli
