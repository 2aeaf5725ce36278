package state

// maxID bounds an id by what a file name can be.
const maxID = 255

// CheckID tells whether id can name a container.
func CheckID(id string) error {
	if id == "" {
		return ErrEmptyID
	}
	if len(id) > maxID || id == "." || id == ".." {
		return ErrInvalidID
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '_' || c == '+' || c == '-' || c == '.':
		default:
			return ErrInvalidID
		}
	}
	return nil
}
