package parity

import "regexp"

// A difference is one that is meant. Calls and fields are regular expressions that match whole names.
type difference struct {
	calls, fields string
	what, reason  string
}

var meant = []difference{
	{
		".*", `FDs\.[12]\.(Target|Flags)`,
		"standard output and standard error in the foreground, without a terminal, are the caller's own; runc puts pipes in between",
		"no copying, no process in the way, nothing lost when the runtime is killed",
	},
	{
		".*", `Mounts\./(proc|sys)/.*\.(Options|Super)`,
		"the empty directories that cover masked ones are nosuid, nodev and noexec, and hold 4 KiB at most",
		"nobody needs more of them",
	},
	{
		".*user namespace", `Mounts\./(dev|proc)/.*\.Options`,
		"device nodes that are bound into a user namespace are nosuid and noexec",
		"a device node is neither",
	},
	{
		".*user namespace", `Devices\.mqueue\.GID`,
		"the message queues of a container with a user namespace belong to its root user and its root group",
		"runc leaves the group to nobody",
	},
	{
		".*", `Keyring\.Description`,
		"the session keyring cannot be linked from other keyrings by whoever has only its owner's user id",
		"it is for the container's processes, which possess it",
	},
	{
		"(run|exec), a directory", "error",
		"a program that is a directory is `is a directory` beside `permission denied`",
		"newer Docker tells the two apart by the text",
	},
	{
		"(run|exec), elsewhere|exec --env", `Process\.Env\..*`,
		"a variable that is given twice has its last value, at its last place in the list",
		"the order of config.json is kept; runc puts it where the first one stood",
	},
	{
		"(run|exec), (no id|two ids|unknown flag|no container|no command)", "output",
		"a mistake on the command line is one line on standard error, without the help text on standard output",
		"standard output is for results; the line names `--help`",
	},
	{
		"exec, --", ".*",
		"`--` after the container's name ends the options",
		"runc 1.1 takes it for the program; later versions do not",
	},
	{
		"exec.*(ordinary user|--additional-gids)", `Process\.Umask`,
		"a process of exec has the container's umask",
		"runc 1.1 gives it 022; later versions do not",
	},
	{
		"exec --tty", ".*",
		"`exec --tty` works without a terminal on standard input",
		"runc refuses: `provided file is not a console`",
	},
	{
		"(run|exec) --preserve-fds, too many", "error",
		"a descriptor to preserve that is not open is called that",
		"runc looks it up in /proc: `no such file or directory`",
	},
	{
		"exec --cap, unknown", ".*",
		"`exec --cap` with a capability that nobody knows is refused",
		"it is mistyped; runc warns, and goes on without it",
	},
	{
		"update, nothing", ".*",
		"`update` without any limit is refused",
		"nothing was asked for, most likely by mistake; runc's exit code is 0",
	},
	{
		"update --pids-limit, below", ".*",
		"`update --pids-limit` below -1 is refused",
		"only -1 means no limit; runc's exit code is 0",
	},
	{
		"update --resources, a config.json", ".*",
		"`update --resources` with a whole config.json is refused",
		"`linux.resources` alone is wanted; runc finds no limit, changes nothing, and its exit code is 0",
	},
	{
		"state, bad --rootless", ".*",
		"`--rootless` with another word than `auto`, `true` and `false` is refused by every command",
		"some commands of runc do not read it, such as `state` and `exec`; the others also take `1`, `t`, `0` and the like",
	},
}

func (d *difference) covers(call, field string) bool {
	return whole(d.calls).MatchString(call) && whole(d.fields).MatchString(field)
}

func whole(expr string) *regexp.Regexp { return regexp.MustCompile("^(?:" + expr + ")$") }
