package cli

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// parseSize reads a number of bytes as people write it: 512, 64m, 1.5G, 2GiB. Units are powers of 1024, in any case, with or
// without "b" or "ib" behind them; what is left of a fraction is cut off. -1 is no limit.
func parseSize(s string) (int64, error) {
	if s == "-1" {
		return -1, nil
	}
	number := strings.TrimRight(s, "bBiIkKmMgGtTpP")
	shift, ok := unitShift(strings.ToLower(s[len(number):]))
	whole, fraction, point := strings.Cut(strings.TrimSuffix(number, " "), ".")
	if !ok || !isDigits(whole) || point && !isDigits(fraction) || len(fraction) > maxFraction {
		return 0, errors.New("want a number of bytes, with or without a unit (b, k, m, g, t, p), or -1 for no limit")
	}
	n, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("is more than the largest limit, %d", int64(math.MaxInt64))
	}
	return int64(n<<shift + fractionOf(1<<shift, fraction)), nil
}

// maxFraction is how many digits of a fraction fit into 64 bits.
const maxFraction = 18

// fractionOf gives 0.digits of a unit.
func fractionOf(unit uint64, digits string) uint64 {
	part, whole := uint64(0), uint64(1)
	for _, d := range digits {
		part, whole = part*10+uint64(d-'0'), whole*10
	}
	high, low := bits.Mul64(part, unit)
	share, _ := bits.Div64(high, low, whole)
	return share
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// unitShift is the power of two that a unit stands for.
func unitShift(unit string) (uint, bool) {
	if unit == "" || unit == "b" {
		return 0, true
	}
	power := strings.IndexByte("kmgtp", unit[0])
	switch unit[1:] {
	case "", "b", "ib":
		return uint(power+1) * 10, power >= 0
	}
	return 0, false
}
