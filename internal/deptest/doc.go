// Package deptest holds the layers of the program as a test: who may import whom.
package deptest
