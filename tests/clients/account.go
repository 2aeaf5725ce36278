package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// An account is an ordinary user who drives a client: with subordinate ids, a home and a runtime directory.
type account struct {
	uid  int
	name string
	as   string // the program that has a command run by the user
	dir  string // the user's own directory below the scene's
	run  string // XDG_RUNTIME_DIR
}

// The user who is made for a run, where the host's systemd has none with a manager, and the ids that are given to that user.
const (
	madeUser      = "tare-clients"
	madeID        = 64250
	subordinate   = 1300000000
	subordinateOf = 65536
)

// canRootless says what an ordinary user lacks here, whichever the client.
func canRootless() error {
	for _, program := range []string{"newuidmap", "newgidmap", "setpriv", "unshare"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("an ordinary user needs Debian's uidmap and util-linux: %w", err)
		}
	}
	if hasSystemd() && lingering() == nil {
		return fmt.Errorf("needs a user with subordinate ids whose systemd runs: loginctl enable-linger USER")
	}
	return nil
}

// asUser makes a client's version that of an ordinary user's.
func asUser(version func(context.Context) (string, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if err := canRootless(); err != nil {
			return "", err
		}
		return version(ctx)
	}
}

// lingering is a user of the host's whose systemd runs without a login.
func lingering() *user.User {
	entries, _ := os.ReadDir("/var/lib/systemd/linger")
	for _, e := range entries {
		u, err := user.Lookup(e.Name())
		if err != nil || u.Uid == "0" {
			continue
		}
		if _, err := os.Stat("/run/user/" + u.Uid + "/bus"); err == nil {
			return u
		}
	}
	return nil
}

// newAccount gives the user of a run, and makes the commands of the scene have that user's environment. Where systemd is, it is one whose
// manager runs. Elsewhere the user exists for the user's own commands alone: they see accounts of the run's in the host's place, by mounts
// of their own, so that nothing has to be taken back.
func (s *scene) newAccount() *account {
	a := &account{uid: madeID, name: madeUser, as: s.dir + "/as-user", dir: s.dir + "/user"}
	a.run = s.dir + "/run" // its length counts: podman's clean-up refuses a run root of more than 50 characters
	enter := ""
	if u := lingering(); hasSystemd() && u != nil {
		a.uid, _ = strconv.Atoi(u.Uid)
		a.name, a.run = u.Username, "/run/user/"+u.Uid
	} else {
		enter = s.makeAccounts()
	}
	for _, dir := range []string{a.dir, a.dir + "/home", a.dir + "/tmp", a.run} {
		s.own(a, dir)
	}
	s.write("as-user", fmt.Sprintf(`#!/bin/sh
exec unshare --mount --propagation private sh -euc '
%sexec setpriv --reuid %d --regid %d --clear-groups --inh-caps=-all "$@"' as-user "$@"
`, enter, a.uid, a.uid), 0o755)
	s.env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + a.dir + "/home", "USER=" + a.name, "LANG=C.UTF-8",
		"TMPDIR=" + a.dir + "/tmp", "XDG_RUNTIME_DIR=" + a.run, "DBUS_SESSION_BUS_ADDRESS=unix:path=" + a.run + "/bus",
	}
	return a
}

// own makes a directory that is the user's, or root's where there is no user, unless it is there.
func (s *scene) own(a *account, dir string) {
	err := os.Mkdir(dir, 0o700)
	if os.IsExist(err) {
		return
	}
	if err == nil && a != nil {
		err = os.Chown(dir, a.uid, a.uid)
	}
	if err != nil {
		s.failf("%v", err)
	}
}

// mapped gives the host's id of one in a user namespace with all the ids of the user's: 0 is the user, the others are subordinate.
func (a *account) mapped(s *scene, id int) string {
	for line := range strings.Lines(s.must(a.command("cat", "/etc/subuid")...)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) == 3 && f[0] == a.name && id > 0 {
			first, err := strconv.Atoi(f[1])
			if err != nil {
				s.failf("%v", err)
			}
			return strconv.Itoa(first + id - 1)
		}
	}
	return strconv.Itoa(a.uid)
}

// makeAccounts writes the accounts with one more, and gives the shell's commands that put them in the host's place. With them comes a
// device that is everybody's on a host with udev, and root's alone without: slirp4netns(1) needs it.
func (s *scene) makeAccounts() string {
	owner := fmt.Sprintf("%s:%d:%d\n", madeUser, subordinate, subordinateOf)
	enter := ""
	for name, line := range map[string]string{
		"passwd": fmt.Sprintf("%s:x:%d:%d::%s/user/home:/bin/sh\n", madeUser, madeID, madeID, s.dir),
		"group":  fmt.Sprintf("%s:x:%d:\n", madeUser, madeID),
		"subuid": owner, "subgid": owner,
	} {
		host, err := os.ReadFile("/etc/" + name)
		if err != nil {
			s.failf("%v", err)
		}
		enter += "mount --bind " + s.write(name, string(host)+line, 0o644) + " /etc/" + name + "\n"
	}
	if _, err := os.Stat("/dev/net/tun"); err == nil {
		s.must("mknod", "--mode=666", s.dir+"/tun", "c", "10", "200")
		enter += "mount --bind " + s.dir + "/tun /dev/net/tun\n"
	}
	return enter
}

// command gives the words that have a command run by the user; by root, where there is none.
func (a *account) command(args ...string) []string {
	if a == nil {
		return args
	}
	return append([]string{a.as}, args...)
}

// reachable puts the runtime where the user may execute it.
func (s *scene) reachable() {
	path := filepath.Join(s.dir, s.runtime.Name)
	s.must("install", "--mode=755", s.runtime.Path, path)
	s.runtime.Path = path
}
