// Package mountopt turns the options of a mount in config.json into what the mount system calls take.
//
// It is pure: no system call, no file. The one table in table.go is both the parser's and the list of names that
// `tare features` prints. An option that is not in it is data for the filesystem. The package imports nothing of tare; Parse returns
// no error but ErrOption.
package mountopt
