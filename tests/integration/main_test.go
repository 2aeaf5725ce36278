// Package integration drives the real runtime binary, black box: what it is asked is what managers ask (files, flags,
// signals), and what it did is read from exit codes, texts, the kernel, and the probe that ran inside.
//
// Most tests need root. $TARE names the runtime, see package testutil. A test that tries another runtime's documented
// difference says so where it asks testutil.IsTare.
package integration

import (
	"testing"

	"tare/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }
