// Package attack tries to break the runtime: by killing it at any moment, by load, and by what a hostile image, a
// hostile neighbour or a hostile container could do. The names A01.. and L01.. in comments number the attacks and the
// crash and load tests of the project's threat model.
//
// What each test allows is "safe, or a clean failure". Sizes are small by default; the environment makes them larger:
// TARE_CRASH_ROUNDS (moments to kill at, 200), TARE_CRASH_STRIDE (every Nth system call is a moment; 1 is all of them),
// TARE_CRASH_SEED, TARE_ATTACK_SCALE (a factor for everything else, 1).
package attack

import (
	"os"
	"strconv"
	"testing"

	"tare/internal/testutil"
)

func TestMain(m *testing.M) {
	if role := os.Getenv("TARE_ATTACKER"); role != "" {
		attacker(role) // in a container: see attacker_test.go
		return
	}
	testutil.Main(m)
}

// number is a size that the environment may set.
func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// scaled is a size of the default run, times TARE_ATTACK_SCALE.
func scaled(n int) int { return n * number("TARE_ATTACK_SCALE", 1) }
