// Package stats is the form in which a container's use of its cgroup is told, whatever the driver: types only. The names are
// those that readers of `events` know; what they did not have so far is added beside them.
package stats
