package seccomp

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/seccomp/syscalls"
)

// verdict decides what becomes of one number, which has one name, seldom two. named tells whether the profile names the call at all.
//
// Of several rules for a call, the first unconditional one wins over everything else; without one, the conditional ones are tried in the
// order of the profile, and the default action is what remains. libseccomp agrees on unconditional rules. Among conditional ones that
// overlap and differ in action it goes by the order of a tree of its own; the order of the profile is one that its author can see.
func (c *compiler) verdict(calls []syscalls.Entry) (v verdict, named bool) {
	c.indexes = c.indexes[:0]
	for _, call := range calls {
		c.indexes = c.byName.appendEntries(c.indexes, call.Name())
	}
	if len(calls) > 1 {
		slices.Sort(c.indexes)
	}
	named = len(c.indexes) > 0
	v = verdict{ret: c.fallback, from: len(c.branches)}
	unconditional := c.unconditional(c.indexes)
	if unconditional != nil {
		v.ret = unconditional.ret
	} else {
		for _, i := range c.indexes {
			c.branches = c.entries[i].appendBranches(c.branches)
		}
		named = c.addMultiplexed(calls[0].Name()) || named
	}
	v.to = len(c.branches)
	return c.known(v), named
}

// known returns a verdict of before with the same branches in place of v, so that calls with the same rules share code.
func (c *compiler) known(v verdict) verdict {
	if v.fixed() {
		return v
	}
	for _, w := range c.lists {
		if slices.EqualFunc(c.branches[v.from:v.to], c.branches[w.from:w.to], branch.same) {
			c.branches = c.branches[:v.from]
			return w
		}
	}
	c.lists = append(c.lists, v)
	return v
}

// same tells whether two branches stem from the same arguments of the profile.
func (b branch) same(d branch) bool {
	return b.ret == d.ret && len(b.args) == len(d.args) && &b.args[0] == &d.args[0]
}

// appendEntries adds the indexes of the entries with that name, in the order of the profile.
func (n *names) appendEntries(list []int32, name syscalls.Name) []int32 {
	for i := n.head[name]; i != 0; i = n.nodes[i-1].next {
		list = append(list, n.nodes[i-1].entry)
	}
	return list
}

// unconditional returns the first entry that matches whatever the arguments, or nil.
func (p *policy) unconditional(indexes []int32) *entry {
	for _, i := range indexes {
		if e := &p.entries[i]; e.unconditional() && !e.idle {
			return e
		}
	}
	return nil
}

// appendBranches adds a conditional entry to a list: as one branch, or as one for each argument.
func (e *entry) appendBranches(list []branch) []branch {
	switch {
	case e.idle:
	case e.alternatives:
		for i := range e.args {
			list = append(list, branch{e.ret, e.args[i : i+1]})
		}
	default:
		list = append(list, branch{e.ret, e.args})
	}
	return list
}

// addMultiplexed adds what the profile says of calls that name carries, if name is socketcall or ipc.
//
// On some architectures (x86, s390, ppc, m68k, sh, 32-bit mips) the socket calls can be made through socketcall(2), and the System V IPC
// calls through ipc(2), with a number as first argument. A rule for `socket` is meant for both ways. The call's own arguments are out of
// sight there (socketcall takes a pointer, ipc another order), so a rule with conditions on them cannot be followed. It is read on the
// safe side: one that lets the call run is left out, any other is taken without its conditions.
func (c *compiler) addMultiplexed(name syscalls.Name) (named bool) {
	for _, m := range c.mux.carriedBy(name) {
		c.indexes = c.byName.appendEntries(c.indexes[:0], m.name)
		named = named || len(c.indexes) > 0
		if e := c.unconditional(c.indexes); e != nil {
			c.branches = append(c.branches, branch{e.ret, m.selector()})
			continue
		}
		for _, i := range c.indexes {
			if e := &c.entries[i]; !e.idle && !runs(e.ret) {
				c.branches = append(c.branches, branch{e.ret, m.selector()})
				break
			}
		}
	}
	return named
}

// multiplexed is a call that another one carries.
type multiplexed struct {
	name syscalls.Name
	mask uint64
	call uint64
}

// selector is the condition on the carrier's first argument.
func (m *multiplexed) selector() []specs.LinuxSeccompArg {
	return []specs.LinuxSeccompArg{{Index: 0, Op: specs.OpMaskedEqual, Value: m.mask, ValueTwo: m.call}}
}

// multiplexers holds the two carriers.
type multiplexers struct {
	socketcall, ipc syscalls.Name
	sockets         [20]multiplexed
	messages        [12]multiplexed
}

// init looks the names up. They are all in the tables: a test says so.
func (m *multiplexers) init() {
	m.socketcall, _ = syscalls.Lookup("socketcall")
	m.ipc, _ = syscalls.Lookup("ipc")
	for i, name := range [...]string{
		"socket", "bind", "connect", "listen", "accept", "getsockname", "getpeername", "socketpair", "send", "recv", "sendto", "recvfrom",
		"shutdown", "setsockopt", "getsockopt", "sendmsg", "recvmsg", "accept4", "recvmmsg", "sendmmsg",
	} {
		id, _ := syscalls.Lookup(name)
		m.sockets[i] = multiplexed{id, 0xffffffff, uint64(i) + 1} // SYS_SOCKET (1) and on, an int
	}
	for i, c := range [...]struct {
		name string
		call uint64
	}{
		{"semop", 1},
		{"semget", 2},
		{"semctl", 3},
		{"semtimedop", 4},
		{"msgsnd", 11},
		{"msgrcv", 12},
		{"msgget", 13},
		{"msgctl", 14},
		{"shmat", 21},
		{"shmdt", 22},
		{"shmget", 23},
		{"shmctl", 24},
	} {
		id, _ := syscalls.Lookup(c.name)
		// The upper 16 bits are a version that the caller is free to set: they must not hide the call.
		m.messages[i] = multiplexed{id, 0xffff, c.call}
	}
}

// carriedBy returns the calls that name carries.
func (m *multiplexers) carriedBy(name syscalls.Name) []multiplexed {
	switch name {
	case m.socketcall:
		return m.sockets[:]
	case m.ipc:
		return m.messages[:]
	}
	return nil
}
