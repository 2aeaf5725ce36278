package cgroups

import "testing"

func TestJoin(t *testing.T) {
	for _, tc := range []struct{ name, base, path, want string }{
		{"absolute", "/", "/docker/web", "/docker/web"},
		{"relative", "/user.slice", "pods/web", "/user.slice/pods/web"},
		{"empty is the id", "/user.slice", "", "/user.slice/web-id"},
		{"dots stay in the tree", "/", "/../../etc", "/etc"},
		{"dots stay below the base", "/user.slice", "../../etc", "/user.slice/etc"},
		{"dots inside", "/", "/a/../b//c/.", "/b/c"},
		{"systemd's form is a path here", "/", "/system.slice:docker:web", "/system.slice:docker:web"},
		{"the root", "/", "/", ""},
		{"the root by dots", "/", "/a/..", ""},
		{"line feed", "/", "/a\nb", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := join(tc.base, Config{ID: "web-id", Path: tc.path})
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("join(%q, %q) = %q, %v, want %q", tc.base, tc.path, got, err, tc.want)
			}
		})
	}
}

func TestOwnParent(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"pure v2", "0::/user.slice/session-1.scope\n", "/user.slice"},
		{"hybrid", "9:memory:/x/y\n1:name=systemd:/z\n0::/a/b/c\n", "/a/b"},
		{"root", "0::/\n", "/"},
		{"first level", "0::/init\n", "/"},
		{"deleted", "0::/a/b (deleted)\n", "/a"},
		{"outside of the namespace", "0::/../other\n", ""},
		{"v1 only", "9:memory:/x/y\n", ""},
		{"empty", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ownParent([]byte(tc.text))
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("ownParent = %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

func FuzzOwnParent(f *testing.F) {
	f.Add([]byte("9:memory:/x/y\n0::/a/b/c (deleted)\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := ownParent(text); err == nil && got[0] != '/' {
			t.Errorf("%q", got)
		}
	})
}
