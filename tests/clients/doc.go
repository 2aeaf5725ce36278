// Program clients drives container managers (containerd, Kubernetes' CRI, Docker, Podman, Buildah) with tare as their runtime, through
// everything their users do, and does the same with runc and crun in its place. What came of it is a table, client × feature.
//
// A client is one file: how it is started and told the runtime, and a function for each feature (feature.go lists them). A feature's
// function gets a scene, which runs commands and says what went wrong. A report holds the cells; the judge compares tare's with its peers'
// and with the explanations in deviations.txt.
//
// Everything a client keeps (images, state, sockets, networks) is in a directory of the run's own; nothing of the system's
// configuration is read or changed. No registry is asked for images: they are made here, from Debian's static busybox.
package main
