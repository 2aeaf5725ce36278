// Package managers drives the runtime as the programs above it do: with their command lines, environment, streams and
// files, and it reads what comes back by their rules. Each test is named after the program that needs it, and
// docs/managers/contract.md has a row for each.
package managers

import (
	"testing"

	"tare/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }
