package seccomp

import (
	"golang.org/x/sys/unix"

	"tare/seccomp/bpf"
	"tare/seccomp/syscalls"
)

// frequentCalls are what programs that do real work spend their system calls on, and what starts threads and processes.
var frequentCalls = [...]string{
	"accept4", "brk", "clock_gettime", "clock_nanosleep", "clone", "clone3", "close", "connect", "epoll_ctl", "epoll_pwait", "epoll_wait", "execve",
	"fcntl", "fstat", "futex", "getpid", "gettid", "ioctl", "lseek", "madvise", "mmap", "mprotect", "munmap", "nanosleep", "newfstatat", "openat",
	"poll", "ppoll", "pread64", "pwrite64", "read", "readv", "recvfrom", "recvmsg", "rt_sigaction", "rt_sigprocmask", "sched_yield", "sendmsg",
	"sendto", "socket", "statx", "write", "writev",
}

func (c *compiler) findFrequent() {
	for _, name := range frequentCalls {
		if id, ok := syscalls.Lookup(name); ok {
			c.frequent[id] = true
		}
	}
}

// search emits a binary search for the number in the accumulator.
func (c *compiler) search(s []segment) bpf.Label {
	c.weights = append(c.weights[:0], 0)
	for i := range s {
		c.weights = append(c.weights, c.weights[i]+s[i].weight())
	}
	return c.tree(s, 0, len(s))
}

// weight says how near to the root of the tree a segment should be. Since 5.11 the kernel asks each program once for each number and
// remembers those that are allowed whatever the arguments: what is left to be fast at is the others, frequent ones above all. Before, and
// where the kernel has no such memory (loongarch64), all count.
func (s *segment) weight() int {
	w := 1
	if !s.fixed() || s.ret != unix.SECCOMP_RET_ALLOW {
		w = 8
	}
	if s.frequent {
		w *= 8
	}
	return w
}

// tree emits the search among s[from:to], with about the same weight on both sides.
func (c *compiler) tree(s []segment, from, to int) bpf.Label {
	switch {
	case to-from == 1:
		return c.leaf(&s[from])
	case to-from == 3 && s[from].same(&s[from+2]) && s[from+2].start == s[from+1].start+1:
		// One number that differs from both of its sides.
		return c.code.If(bpf.Equal, s[from+1].start, c.leaf(&s[from+1]), c.leaf(&s[from]))
	}
	mid := c.middle(from, to)
	below := c.tree(s, from, mid)
	above := c.tree(s, mid, to)
	return c.code.If(bpf.GreaterEqual, s[mid].start, above, below)
}

// middle is where segments from:to are best divided: the sides differ least in weight.
func (c *compiler) middle(from, to int) int {
	sum := c.weights[from] + c.weights[to]
	mid := from + 1
	for mid+1 < to && max(sum-2*c.weights[mid+1], 2*c.weights[mid+1]-sum) < max(sum-2*c.weights[mid], 2*c.weights[mid]-sum) {
		mid++
	}
	return mid
}
