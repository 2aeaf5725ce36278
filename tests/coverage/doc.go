// Package coverage holds the table of all fields of the specification's config for Linux and the tests that prove what tare does with them.
// fields.txt is the mapping, docs/coverage.md the table made from it.
//
//	go test ./tests/coverage -update    # writes the table anew
package coverage
