package rootfs

import (
	"fmt"
	"path"
)

// RefusedDestination says why nothing may be mounted at a path of the container, by its words alone: nil if something may,
// as far as words tell. mayBeProc: what is to be mounted is a procfs, or can turn out to be one.
func RefusedDestination(unsafePath string, mayBeProc bool) error {
	k := dirMount
	if mayBeProc {
		k = procMount
	}
	clean := path.Clean("/" + unsafePath)
	if clean == "/" {
		return fmt.Errorf("%w: a mount over the root directory", ErrRefused)
	}
	return checkProcPath(clean, k)
}
