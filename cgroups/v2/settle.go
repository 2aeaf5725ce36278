package v2

import "tare/internal/sys"

// settleRounds bounds how long Settle waits: a grace period takes some milliseconds.
const settleRounds = 5

// Settle gives the kernel the time to take back what a program that was executed, or has ended, held in the cgroup: the stacks of its
// threads and its page tables are freed a grace period of RCU later. memory.max waits for none: where it is less than what is charged,
// the kernel reclaims what it can, and then kills. Settle ends when limit, in bytes, is enough, and after a few periods at the latest.
func (c *Cgroup) Settle(limit string) {
	if _, err := c.File(); err != nil {
		return
	}
	for range settleRounds {
		used, err := c.text("memory.current")
		if err != nil || number([]byte(used)) <= number([]byte(limit)) || sys.GracePeriod() != nil {
			return
		}
	}
}
