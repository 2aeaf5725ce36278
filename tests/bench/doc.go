// Bench measures tare in pairs with the runc and crun on PATH.
//
// # What is compared
//
// All runtimes get the same bundle, with a config.json such as container managers write: five namespaces, seven mounts,
// masked and read-only paths, a capability set, one device rule. No CPU, memory or pids limit, as not every machine
// has those controllers on cgroup v2. What runs in it is a program of 132 bytes that leaves at once (true.go), so that
// nothing but the runtime is measured. State is kept below /run, as by default.
//
// On a machine with cgroup v1, or v1 and v2 together, the three would do different work: tare uses the v2 tree only,
// runc walks all v1 hierarchies as well, crun refuses a v2 tree beside v1. So there the bench
// mounts cgroup2 on /sys/fs/cgroup in its namespace, and each of them makes one v2 cgroup, attaches one device program
// and removes the cgroup. -as-is measures without a namespace.
//
// What remains different: runc also compiles the device rules for older systems and copies its binary into the
// kernel's memory; crun sets no device program if config.json has no device rules, so the bundle has one. Where crun
// cannot load it (it wants to raise RLIMIT_MEMLOCK first) it gets the bundle without, and the output says that it was
// spared the work.
//
// # How
//
// The runtimes take turns, round by round and in rotating order, so that whatever else the machine does hits them all.
// Figures are medians with the 10th and 90th percentile, and the ratio of the medians to tare's. Nothing is asserted
// about time: machines differ. Ratios on a busy machine are of use; milliseconds are not.
//
//   - run: one `run`, from its start to its end; and the CPU time that it and the container's process have used.
//   - create, start, delete: three processes one after the other; "cycle" is all of it, with the wait for the
//     container's end before delete.
//   - exec: one `exec` in a container that waits for its start, with one environment variable and with 1,000; and the CPU
//     time that it and its process have used.
//   - 50 at once: as many `run`s started together, until the last has ended.
//   - peak memory of create: VmHWM of the runtime's process at its exit, read in a ptrace stop. What wait4 tells would
//     include the bench's own memory, which the kernel counts until the child's execve. Helper processes of a runtime
//     are not in it.
//   - the waiting init, between create and start, one of five that wait: Rss, Pss (its share of what is shared), private
//     memory, threads and descriptors, all from /proc/PID. Private memory is what each further container costs.
package main
