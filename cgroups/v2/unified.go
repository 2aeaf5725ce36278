package v2

import "strings"

// unified takes linux.resources.unified, file name to value, over as it stands, in the order of the names. A value of
// several lines is written line by line, as files such as io.max take them.
func unified(out []Setting, files map[string]string) ([]Setting, error) {
	for _, file := range sortedKeys(files) {
		pointer := "/linux/resources/unified/" + escape(file)
		controller, rest, _ := strings.Cut(file, ".")
		if controller == "" || rest == "" || strings.ContainsAny(file, "/\n\x00") {
			return nil, fieldError(pointer, "%q is no file of a cgroup, such as memory.high", file)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(files[file], "\n"), "\n") {
			out = append(out, Setting{File: file, Value: line, Pointer: pointer})
		}
	}
	return out, nil
}
