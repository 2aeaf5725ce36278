package check

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// rootfs looks for a root file system that is none yet.
func (c *checker) rootfs() {
	if c.e.Rootfs == "/" {
		c.add(Finding{
			ID: "rootfs-host", Severity: Warning, Pointer: at("root", "path"), Message: "is the root directory of this host: what the container changes there is changed for all",
			Why: section("/root"), Mend: "give the container a root file system of its own",
		})
		return
	}
	root, err := c.view.walk("/")
	if err != nil {
		return
	}
	defer root.close()
	names, err := c.names(root)
	if err != nil {
		c.unseen(at("root", "path"), "what is in "+c.e.Rootfs, err)
		return
	}
	f := Finding{ID: "rootfs-empty", Severity: Warning, Pointer: at("root", "path"), Why: section("/root") + ": the root file system of the container"}
	if c.spec.Process != nil {
		f.Severity = Error
	}
	if c.hooked() {
		f.Severity = Warning
	}
	switch {
	case len(names) == 0:
		f.Message = c.e.Rootfs + " is empty"
		f.Mend = "unpack a root file system there, for instance: tar -C " + c.e.Rootfs + " -xf rootfs.tar"
	case slices.Contains(names, "oci-layout"), slices.Contains(names, "manifest.json") && !slices.Contains(names, "bin"):
		f.Message = fmt.Sprintf("%s holds an image with its layers, not the files of one", c.e.Rootfs)
		f.Mend = "unpack the image with umoci, or podman create and podman export"
	case len(names) <= 2 && slices.ContainsFunc(names, isArchive):
		f.Message = fmt.Sprintf("%s holds an archive that is not unpacked", c.e.Rootfs)
		f.Mend = "unpack it: tar -C " + c.e.Rootfs + " -xf " + path.Join(c.e.Rootfs, names[slices.IndexFunc(names, isArchive)])
	case len(names) == 1 && c.isTree(names[0]):
		f.Message = fmt.Sprintf("%s holds one directory, %s, with the root file system in it", c.e.Rootfs, names[0])
		f.Mend = "write \"path\": \"" + path.Join(c.spec.Root.Path, names[0]) + "\""
	default:
		return
	}
	c.add(f)
}

// emptyRoot says whether it was told already that there is no root file system yet.
func (c *checker) emptyRoot() bool {
	return slices.ContainsFunc(c.found, func(f Finding) bool { return f.ID == "rootfs-empty" })
}

func isArchive(name string) bool {
	for _, suffix := range []string{".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".squashfs"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// isTree says whether the directory looks like a root file system.
func (c *checker) isTree(name string) bool {
	f, err := c.view.walk("/" + name)
	if err != nil {
		return false
	}
	defer f.close()
	names, _ := c.names(f)
	return slices.Contains(names, "bin") && (slices.Contains(names, "etc") || slices.Contains(names, "usr"))
}
