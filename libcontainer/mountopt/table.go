package mountopt

import "golang.org/x/sys/unix"

// action says what an option's arg means.
type action uint8

const (
	attrSet      action = iota // arg: MOUNT_ATTR_* of the mount
	attrClear                  //
	attrAtime                  // arg: the new value of the access-time field
	attrNotAtime               // arg: the value that this option takes back
	recSet                     // the same for the whole mount tree
	recClear
	recAtime
	recNotAtime
	readOnly    // the mount and, when it is new, the filesystem
	readWrite   //
	superSet    // arg: Super
	superClear  //
	propagation // arg: MS_SHARED, ..., with MS_REC
	flag        // arg: Flags
	defaults    // rw, suid, dev, exec, async
	nothing     // known, and without an effect
)

type option struct {
	name string
	act  action
	arg  uint32
}

// options is sorted by name. Constants only: the linker lays it out as data, and no start of the program pays for it.
var options = [...]option{
	{"async", superClear, uint32(SuperSync)},
	{"atime", attrNotAtime, unix.MOUNT_ATTR_NOATIME},
	{"bind", flag, uint32(Bind)},
	{"copy-symlink", flag, uint32(CopySymlink)},
	{"defaults", defaults, 0},
	{"dev", attrClear, unix.MOUNT_ATTR_NODEV},
	{"diratime", attrClear, unix.MOUNT_ATTR_NODIRATIME},
	{"dirsync", superSet, uint32(SuperDirsync)},
	{"exec", attrClear, unix.MOUNT_ATTR_NOEXEC},
	{"idmap", flag, uint32(IDMap)},
	{"iversion", nothing, 0},
	{"lazytime", superSet, uint32(SuperLazytime)},
	{"loud", nothing, 0},
	{"mand", superSet, uint32(SuperMand)},
	{"noatime", attrAtime, unix.MOUNT_ATTR_NOATIME},
	{"nodev", attrSet, unix.MOUNT_ATTR_NODEV},
	{"nodiratime", attrSet, unix.MOUNT_ATTR_NODIRATIME},
	{"noexec", attrSet, unix.MOUNT_ATTR_NOEXEC},
	{"noiversion", nothing, 0},
	{"nolazytime", superClear, uint32(SuperLazytime)},
	{"nomand", superClear, uint32(SuperMand)},
	{"norelatime", attrNotAtime, unix.MOUNT_ATTR_RELATIME},
	{"nostrictatime", attrNotAtime, unix.MOUNT_ATTR_STRICTATIME},
	{"nosuid", attrSet, unix.MOUNT_ATTR_NOSUID},
	{"nosymfollow", attrSet, unix.MOUNT_ATTR_NOSYMFOLLOW},
	{"private", propagation, unix.MS_PRIVATE},
	{"ratime", recNotAtime, unix.MOUNT_ATTR_NOATIME},
	{"rbind", flag, uint32(Bind | Recursive)},
	{"rdev", recClear, unix.MOUNT_ATTR_NODEV},
	{"rdiratime", recClear, unix.MOUNT_ATTR_NODIRATIME},
	{"relatime", attrAtime, unix.MOUNT_ATTR_RELATIME},
	{"remount", flag, uint32(Remount)},
	{"rexec", recClear, unix.MOUNT_ATTR_NOEXEC},
	{"ridmap", flag, uint32(RIDMap)},
	{"rnoatime", recAtime, unix.MOUNT_ATTR_NOATIME},
	{"rnodev", recSet, unix.MOUNT_ATTR_NODEV},
	{"rnodiratime", recSet, unix.MOUNT_ATTR_NODIRATIME},
	{"rnoexec", recSet, unix.MOUNT_ATTR_NOEXEC},
	{"rnorelatime", recNotAtime, unix.MOUNT_ATTR_RELATIME},
	{"rnostrictatime", recNotAtime, unix.MOUNT_ATTR_STRICTATIME},
	{"rnosuid", recSet, unix.MOUNT_ATTR_NOSUID},
	{"rnosymfollow", recSet, unix.MOUNT_ATTR_NOSYMFOLLOW},
	{"ro", readOnly, 0},
	{"rprivate", propagation, unix.MS_PRIVATE | unix.MS_REC},
	{"rrelatime", recAtime, unix.MOUNT_ATTR_RELATIME},
	{"rro", recSet, unix.MOUNT_ATTR_RDONLY},
	{"rrw", recClear, unix.MOUNT_ATTR_RDONLY},
	{"rshared", propagation, unix.MS_SHARED | unix.MS_REC},
	{"rslave", propagation, unix.MS_SLAVE | unix.MS_REC},
	{"rstrictatime", recAtime, unix.MOUNT_ATTR_STRICTATIME},
	{"rsuid", recClear, unix.MOUNT_ATTR_NOSUID},
	{"rsymfollow", recClear, unix.MOUNT_ATTR_NOSYMFOLLOW},
	{"runbindable", propagation, unix.MS_UNBINDABLE | unix.MS_REC},
	{"rw", readWrite, 0},
	{"shared", propagation, unix.MS_SHARED},
	{"silent", nothing, 0},
	{"slave", propagation, unix.MS_SLAVE},
	{"strictatime", attrAtime, unix.MOUNT_ATTR_STRICTATIME},
	{"suid", attrClear, unix.MOUNT_ATTR_NOSUID},
	{"symfollow", attrClear, unix.MOUNT_ATTR_NOSYMFOLLOW},
	{"sync", superSet, uint32(SuperSync)},
	{"tmpcopyup", flag, uint32(TmpCopyUp)},
	{"unbindable", propagation, unix.MS_UNBINDABLE},
}

// find looks name up by halving: cheaper than a map, which would have to be filled at each start.
func find(name string) (option, bool) {
	low, high := 0, len(options)
	for low < high {
		mid := (low + high) / 2
		switch {
		case options[mid].name == name:
			return options[mid], true
		case options[mid].name < name:
			low = mid + 1
		default:
			high = mid
		}
	}
	return option{}, false
}

// Names lists, sorted, all options that tare itself knows.
func Names() []string {
	names := make([]string, len(options))
	for i := range options {
		names[i] = options[i].name
	}
	return names
}
