package cgroups

// Delegator is a Manager whose cgroup may be given to a user: one on cgroup v2, and not beside v1, where delegation is not safe.
type Delegator interface {
	// Delegate makes the user, by the number on the host, the owner of the cgroup: after Adopt.
	Delegate(uid int) error
}

func (m *cgroupfs) Delegate(uid int) error {
	if m.absent {
		return nil
	}
	return m.cg.Delegate(uid)
}
