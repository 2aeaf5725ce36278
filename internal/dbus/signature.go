package dbus

import (
	"fmt"
	"strings"
)

// maxDepth is the specification's limit on nested arrays and on nested structs, which we count together.
const maxDepth = 32

// Variant is a value with its own signature, of exactly one complete type.
type Variant struct {
	Signature string
	Value     any
}

// next splits the first complete type off a signature.
func next(sig string) (one, rest string, err error) {
	n, err := typeLength(sig, 0)
	if err != nil {
		return "", "", err
	}
	return sig[:n], sig[n:], nil
}

func typeLength(sig string, depth int) (int, error) {
	if sig == "" || depth > maxDepth {
		return 0, fmt.Errorf("%w: signature %.40q ends early or nests too deeply", ErrProtocol, sig)
	}
	switch c := sig[0]; {
	case strings.IndexByte("ybnqiuxtdsogv", c) >= 0:
		return 1, nil
	case c == 'a':
		n, err := typeLength(sig[1:], depth+1)
		return n + 1, err
	case c == '(':
		return groupLength(sig, ')', depth)
	case c == '{': // only in an array, a dictionary then; whoever meets one elsewhere reads a struct of two
		return groupLength(sig, '}', depth)
	}
	return 0, fmt.Errorf("%w: unknown type in signature %.40q", ErrProtocol, sig)
}

func groupLength(sig string, end byte, depth int) (int, error) {
	n := 1
	for n < len(sig) && sig[n] != end {
		m, err := typeLength(sig[n:], depth+1)
		if err != nil {
			return 0, err
		}
		n += m
	}
	if n == 1 || n == len(sig) {
		return 0, fmt.Errorf("%w: empty or open group in signature %.40q", ErrProtocol, sig)
	}
	return n + 1, nil
}

// alignment is that of a type, by its first character.
func alignment(c byte) int {
	switch c {
	case 'y', 'g', 'v':
		return 1
	case 'n', 'q':
		return 2
	case 'x', 't', 'd', '(', '{':
		return 8
	}
	return 4
}
