package dbus

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// sockets lists the socket addresses of a D-Bus address, a leading @ standing for an abstract one. Other transports than
// unix are left out.
func sockets(address string) ([]string, error) {
	var list []string
	for one := range strings.SplitSeq(address, ";") {
		transport, options, _ := strings.Cut(one, ":")
		if transport != "unix" {
			continue
		}
		for option := range strings.SplitSeq(options, ",") {
			key, value, _ := strings.Cut(option, "=")
			path, err := unescape(value)
			if err != nil {
				return nil, fmt.Errorf("D-Bus address %q: %w", address, err)
			}
			switch {
			case path == "" || strings.IndexByte(path, 0) >= 0:
			case key == "path":
				list = append(list, path)
			case key == "abstract":
				list = append(list, "@"+path)
			}
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("D-Bus address %q: %w: no unix:path= or unix:abstract= in it", address, ErrProtocol)
	}
	return list, nil
}

// unescape replaces %XX by the byte.
func unescape(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	var b []byte
	for s != "" {
		if s[0] != '%' {
			b, s = append(b, s[0]), s[1:]
			continue
		}
		if len(s) < 3 {
			return "", fmt.Errorf("%w: %q at its end", ErrProtocol, s)
		}
		c, err := hex.DecodeString(s[1:3])
		if err != nil {
			return "", err
		}
		b, s = append(b, c...), s[3:]
	}
	return string(b), nil
}

// PathAddress is the address of a socket by its path.
func PathAddress(path string) string {
	b := []byte("unix:path=")
	for _, c := range []byte(path) {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', strings.IndexByte("-_/.", c) >= 0:
			b = append(b, c)
		default:
			b = fmt.Appendf(b, "%%%02x", c)
		}
	}
	return string(b)
}
