// Package smallest makes the smallest program there is, one that exits with 0: what a start costs, and what memory it takes, is
// the runtime's alone then. It imports the standard library only.
package smallest
