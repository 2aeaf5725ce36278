// Completions writes the completions of tare's command line for bash, zsh and fish, from the program's own commands and
// options:
//
//	go generate ./completions
//
// The files are kept in the tree, as packagers expect them, and a test compares them with what the program has. Nothing of this is
// in the program: it neither knows the files nor makes them.
//
// A template has what a shell has to do (what is on the line so far, asking `tare list` for ids); kind.go says what
// completes a value or an argument, by its name on the help page.
package main
