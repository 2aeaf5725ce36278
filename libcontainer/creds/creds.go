package creds

import (
	"errors"
	"fmt"

	"tare/internal/sys"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Options are the facts that are not in the spec.
type Options struct {
	// SetgroupsDenied tells whether setgroups(2) is denied in this user namespace (user_namespaces(7)). It is asked
	// only when the call was refused.
	SetgroupsDenied func() bool
	// Keep are capabilities that stay effective beside those of the process, for the caller to give up later by
	// setting the sets that Apply returns.
	Keep uint64
}

// Apply makes the calling thread the user of the process, with its groups and capabilities and no others.
// It returns the sets that capset(2) knows of, without o.Keep. Warnings name capabilities that this host does not
// let the container have, which the spec wants no failure for.
func Apply(p *specs.Process, o Options) (final sys.CapSets, warnings []string, err error) {
	sets := NewSets(p.Capabilities)
	// While uid 0 still holds CAP_SETPCAP.
	if err := dropBounding(sets.Bounding); err != nil {
		return final, nil, err
	}
	if err := become(&p.User, o); err != nil {
		return final, nil, err
	}
	own, err := sys.Capget()
	if err != nil {
		return final, nil, fmt.Errorf("process.capabilities (/process/capabilities): %w", err)
	}
	if missing := sets.within(own); missing != 0 {
		warnings = append(warnings, "process.capabilities (/process/capabilities): not to be had here: "+spell(missing))
	}
	final = sys.CapSets{Effective: sets.Effective, Permitted: sets.Permitted, Inheritable: sets.Inheritable}
	keep := o.Keep & own.Permitted
	return final, warnings, setCapabilities(final, keep, sets.Ambient)
}

func dropBounding(keep uint64) error {
	for c := range 64 {
		if keep&(1<<c) != 0 {
			continue
		}
		has, known := sys.HasBoundingCap(c)
		if !known {
			return nil // the kernel's last capability was the one before
		}
		if !has {
			continue
		}
		if err := sys.DropBoundingCap(c); err != nil {
			return fmt.Errorf("process.capabilities.bounding (/process/capabilities/bounding): drop capability %d: %w", c, err)
		}
	}
	return nil
}

// become changes groups, gid and uid, in this order, as only uid 0 may change the first two. The permitted
// capabilities survive until setCapabilities sets the wanted ones.
func become(u *specs.User, o Options) error {
	if err := sys.SetKeepCaps(true); err != nil {
		return err
	}
	if err := setGroups(u.AdditionalGids, o); err != nil {
		return fmt.Errorf("process.user.additionalGids (/process/user/additionalGids): %w", err)
	}
	if err := sys.Setresgid(u.GID); err != nil {
		return fmt.Errorf("process.user.gid (/process/user/gid): %w: is gid %d mapped in the user namespace?", err, u.GID)
	}
	if err := sys.Setresuid(u.UID); err != nil {
		return fmt.Errorf("process.user.uid (/process/user/uid): %w: is uid %d mapped in the user namespace?", err, u.UID)
	}
	return sys.SetKeepCaps(false)
}

// setGroups sets exactly the groups of the spec: those of the caller's must not leak in (CVE-2022-2989 and its kin).
// In a user namespace whose gid map an ordinary user has written they cannot be changed: dropping one could give
// access that it denies (CVE-2014-8989).
func setGroups(gids []uint32, o Options) error {
	err := sys.Setgroups(gids)
	if !errors.Is(err, unix.EPERM) || o.SetgroupsDenied == nil || !o.SetgroupsDenied() {
		return err
	}
	if len(gids) == 0 {
		return nil
	}
	return fmt.Errorf("%w: setgroups is denied in a user namespace whose gid map an ordinary user has written", err)
}

func setCapabilities(s sys.CapSets, keep, ambient uint64) error {
	s.Effective |= keep
	s.Permitted |= keep
	err := sys.Capset(s)
	if err != nil {
		return fmt.Errorf("process.capabilities (/process/capabilities): %w", err)
	}
	// Emptied always: an ambient set that the caller had is not the container's (CVE-2016-8867).
	if err := sys.ClearAmbientCaps(); err != nil {
		return fmt.Errorf("process.capabilities.ambient (/process/capabilities/ambient): %w", err)
	}
	for c := range 64 {
		if ambient&(1<<c) == 0 {
			continue
		}
		if err := sys.RaiseAmbientCap(c); err != nil {
			return fmt.Errorf("process.capabilities.ambient (/process/capabilities/ambient): capability %d: %w", c, err)
		}
	}
	return nil
}
