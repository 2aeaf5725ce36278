// Package netdev brings the network devices of linux.netDevices into a container's network namespace with their addresses, and,
// when the container does not come to life, back to where they were, as they were.
package netdev
