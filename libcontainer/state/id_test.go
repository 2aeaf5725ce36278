package state

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckID(t *testing.T) {
	tests := []struct {
		name, id string
		want     error
	}{
		{"letters", "web", nil},
		{"all that is allowed", "abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789+.", nil},
		{"one byte", "x", nil},
		{"dots and more", "..a", nil},
		{"three dots", "...", nil},
		{"hidden", ".a", nil},
		{"as an option", "-v", nil},
		{"255 bytes", strings.Repeat("a", 255), nil},
		{"empty", "", ErrEmptyID},
		{"256 bytes", strings.Repeat("a", 256), ErrInvalidID},
		{"5000 bytes", strings.Repeat("a", 5000), ErrInvalidID},
		{"dot", ".", ErrInvalidID},
		{"parent", "..", ErrInvalidID},
		{"slash", "a/b", ErrInvalidID},
		{"absolute", "/a", ErrInvalidID},
		{"way up", "../a", ErrInvalidID},
		{"slash at the end", "a/", ErrInvalidID},
		{"NUL", "a\x00b", ErrInvalidID},
		{"NUL alone", "\x00", ErrInvalidID},
		{"newline", "a\n", ErrInvalidID},
		{"space", "a b", ErrInvalidID},
		{"unicode letter", "wéb", ErrInvalidID},
		{"unicode slash", "a∕b", ErrInvalidID},
		{"no utf-8", "a\xff", ErrInvalidID},
		{"colon", "a:b", ErrInvalidID},
		{"backslash", `a\b`, ErrInvalidID},
		{"percent", "a%2fb", ErrInvalidID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := CheckID(tt.id); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("CheckID: %v, want %v", err, tt.want)
			}
			if tt.want == nil {
				return
			}
			root := t.TempDir()
			if _, err := Reserve(root, tt.id); !errors.Is(err, tt.want) {
				t.Errorf("Reserve: %v, want %v", err, tt.want)
			}
			if _, err := Open(root, tt.id); !errors.Is(err, tt.want) {
				t.Errorf("Open: %v, want %v", err, tt.want)
			}
		})
	}
}
