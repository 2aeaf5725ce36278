package features

import (
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"tare/libcontainer/attr"
	"tare/libcontainer/bundle"
	"tare/libcontainer/creds"
	"tare/libcontainer/mountopt"
	"tare/seccomp"
)

// The versions of the specification whose configs are accepted. A newer minor version is accepted, too, but not promised.
const (
	specMin = "1.0.0"
	specMax = "1.3.0"
)

// Names of the annotations that describe the build.
const (
	AnnotationVersion = "org.tare.version"
	AnnotationCommit  = "org.tare.commit"
	AnnotationSeccomp = "org.tare.seccomp.engine" // what compiles profiles

	// That there is checkpoint and restore, under the name by which callers know it. Like the rest of the document it tells of the program:
	// whether there is a CRIU that works, the host says.
	AnnotationCheckpoint = "org.opencontainers.runc.checkpoint.enabled"
)

// For makes the document of the build with this version and commit. What is empty is left out.
//
// Of the annotations that change what tare does, those that set properties of a systemd unit may be unsafe, though a list says
// which ones (package cgroups/systemd), and the one that names CRIU's configuration is; bundle.AnnotationDefaultDevices takes rights away.
func For(version, commit string) *features.Features {
	return &features.Features{
		OCIVersionMin: specMin,
		OCIVersionMax: specMax,
		Hooks:         bundle.HookNames(),
		MountOptions:  mountopt.Names(),
		Linux: &features.Linux{
			Namespaces:      bundle.NamespaceTypes(),
			Capabilities:    creds.Names(),
			Cgroup:          cgroup(),
			Seccomp:         seccompFeatures(),
			Apparmor:        &features.Apparmor{Enabled: yes()},
			Selinux:         &features.Selinux{Enabled: yes()},
			IntelRdt:        &features.IntelRdt{Enabled: yes(), Schemata: yes(), Monitoring: yes()},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: yes()}},
			NetDevices:      &features.NetDevices{Enabled: yes()},
			MemoryPolicy:    &features.MemoryPolicy{Modes: attr.MemoryModes(), Flags: attr.MemoryFlags()},
		},
		Annotations:                        annotations(version, commit),
		PotentiallyUnsafeConfigAnnotations: []string{"org.systemd.property.", bundle.AnnotationCRIUConfig},
	}
}

func yes() *bool { return new(true) }

func cgroup() *features.Cgroup {
	return &features.Cgroup{V1: yes(), V2: yes(), Systemd: yes(), SystemdUser: yes(), Rdma: yes()}
}

func seccompFeatures() *features.Seccomp {
	return &features.Seccomp{
		Enabled:        yes(),
		Actions:        seccomp.Actions(),
		Operators:      seccomp.Operators(),
		Archs:          seccomp.Archs(),
		KnownFlags:     seccomp.KnownFlags(),
		SupportedFlags: seccomp.SupportedFlags(),
	}
}

func annotations(version, commit string) map[string]string {
	all := map[string]string{AnnotationSeccomp: seccomp.Engine(), AnnotationCheckpoint: "true"}
	if version != "" {
		all[AnnotationVersion] = version
	}
	if commit != "" {
		all[AnnotationCommit] = commit
	}
	return all
}
