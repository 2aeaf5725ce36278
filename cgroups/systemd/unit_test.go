package systemd

import (
	"strings"
	"testing"
)

func TestParseUnit(t *testing.T) {
	for _, tt := range []struct{ path, name, slice, at string }{
		{"", "tare-web.scope", "system.slice", "/system.slice/tare-web.scope"},
		{"system.slice:docker:web", "docker-web.scope", "system.slice", "/system.slice/docker-web.scope"},
		{":docker:web", "docker-web.scope", "system.slice", "/system.slice/docker-web.scope"},
		{"-:docker:web", "docker-web.scope", "-.slice", "/docker-web.scope"},
		{"-.slice:docker:web", "docker-web.scope", "-.slice", "/docker-web.scope"},
		{"a-b-c.slice:p:n", "p-n.scope", "a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice/p-n.scope"},
		{"kubepods-pod1_2.slice:cri-containerd:0f", "cri-containerd-0f.scope", "kubepods-pod1_2.slice", "/kubepods.slice/kubepods-pod1_2.slice/cri-containerd-0f.scope"},
		{"machine.slice:libpod:a.b", "libpod-a.b.scope", "machine.slice", "/machine.slice/libpod-a.b.scope"},
		{"user.slice::web", "-web.scope", "user.slice", "/user.slice/-web.scope"},
		{`:p:a\x2db`, `p-a\x2db.scope`, "system.slice", `/system.slice/p-a\x2db.scope`},
		{"::a-b.slice", "a-b.slice", "system.slice", "/a.slice/a-b.slice"},
		{"x.slice:p:a.slice", "a.slice", "x.slice", "/a.slice"},
	} {
		u, err := ParseUnit(tt.path, "web", "system.slice")
		if err != nil || u.Name != tt.name || u.Slice != tt.slice || u.Path() != tt.at || !u.Valid() {
			t.Errorf("%q: %+v at %q, %v", tt.path, u, u.Path(), err)
		}
		if u.IsSlice() != strings.HasSuffix(tt.name, ".slice") {
			t.Errorf("%q: slice %v", tt.path, u.IsSlice())
		}
	}
	if u, err := ParseUnit("", "web", "user.slice"); err != nil || u.Path() != "/user.slice/tare-web.scope" {
		t.Errorf("a user's: %+v, %v", u, err)
	}
}

func TestParseUnitRefuses(t *testing.T) {
	for path, want := range map[string]string{
		"/a/b":                           `linux.cgroupsPath (/linux/cgroupsPath): "/a/b": with --systemd-cgroup it has the form slice:prefix:name, such as system.slice:tare:web`,
		"a:b":                            "slice:prefix:name",
		"a:b:c:d":                        "slice:prefix:name",
		"a.slice:p:":                     "its third part, is missing",
		"foo:p:n":                        `"foo" is no name of a slice`,
		"../x.slice:p:n":                 `"../x.slice" is no name of a slice`,
		"a--b.slice:p:n":                 `"a--b.slice" is no name of a slice`,
		"-a.slice:p:n":                   `"-a.slice" is no name of a slice`,
		"a-.slice:p:n":                   `"a-.slice" is no name of a slice`,
		".slice:p:n":                     `".slice" is no name of a slice`,
		"::-.slice":                      `"-.slice" is no name of a slice`,
		"::a--b.slice":                   `"a--b.slice" is no name of a slice`,
		":p:../../x":                     `"p-../../x.scope" is no name of a unit`,
		":p:a b":                         "is no name of a unit",
		":p:a@b":                         "is no name of a unit",
		":p:" + strings.Repeat("x", 255): "255 characters at most",
	} {
		if u, err := ParseUnit(path, "web", "system.slice"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %q", path, u, err, want)
		}
	}
}

// Whatever the text, the path stays below the manager's cgroup, and ends in the unit's name.
func FuzzParseUnit(f *testing.F) {
	f.Add("a-b.slice:p:n")
	f.Add("::a.slice")
	f.Fuzz(func(t *testing.T, path string) {
		u, err := ParseUnit(path, "web", "system.slice")
		if err != nil {
			return
		}
		at := u.Path()
		if !u.Valid() || !strings.HasPrefix(at, "/") || strings.Contains(at+"/", "/../") || strings.Contains(at, "//") ||
			!strings.HasSuffix(at, "/"+u.Name) || strings.ContainsAny(u.Name, "/ \n\x00") {
			t.Errorf("%q: %+v at %q", path, u, at)
		}
	})
}
