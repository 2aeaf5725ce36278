// Package dies ends in the middle of a test.
package dies

import (
	"os"
	"testing"
)

func TestBefore(*testing.T) {}

func TestDies(*testing.T) { os.Exit(7) }
