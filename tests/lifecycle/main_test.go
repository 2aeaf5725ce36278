// Package lifecycle has a test for each MUST of the specification's runtime.md, and of what config.md says of hooks, named
// after it; docs/lifecycle.md says which. They drive the real binary, as those of tests/integration do.
package lifecycle

import (
	"testing"

	"tare/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }
