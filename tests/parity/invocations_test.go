package parity

// An invocation is one call of a runtime. In words, @ID is the container, @DIR its bundle, @OUT a directory for what is
// written, and @PROBE the workload's program as a name on the host.
type invocation struct {
	kind   string
	before string // what was done to the container before: nothing, "created", "running", "stopped", or "paused"
	words  []string
	args   []string // process.args, for what makes a container
	stdin  string
	files  map[string]string // in @OUT
}

func run(kind string, args []string, flags ...string) invocation {
	words := append([]string{"run", "--bundle", "@DIR"}, flags...)
	return invocation{kind: kind, args: args, words: append(words, "@ID")}
}

func exec(kind string, words ...string) invocation {
	i := running(append([]string{"exec"}, words...)...)
	i.kind = kind
	return i
}

func running(words ...string) invocation {
	return invocation{kind: "plain", before: "running", words: words}
}

func (i invocation) after(state string) invocation {
	i.before = state
	return i
}

func (i invocation) with(name, text string) invocation {
	i.files = map[string]string{name: text}
	return i
}

func (i invocation) reading(text string) invocation {
	i.stdin = text
	return i
}

func words(w ...string) []string { return w }

var report = words("/probe", "report")

var invocations = map[string]invocation{
	"run":                               run("plain", report),
	"run, user namespace":               run("user namespace", report),
	"run, host's PID namespace":         run("host's PID namespace", report),
	"run, host's network":               run("host's network", report),
	"run, host's names":                 run("host's names", report),
	"run, ordinary user":                run("ordinary user", report),
	"run, more capabilities":            run("more capabilities", report),
	"run, ambient capabilities":         run("ambient capabilities", report),
	"run, no capabilities":              run("no capabilities", report),
	"run, filtered":                     run("filtered", report),
	"run, limited":                      run("limited", report),
	"run, elsewhere":                    run("elsewhere", report),
	"run, writable":                     run("writable", report),
	"run, a filtered call":              run("filtered", words("/probe", "mkdir", "/tmp/x")),
	"run, exit 0":                       run("plain", words("/probe", "true")),
	"run, exit 3":                       run("plain", words("/probe", "exit", "3")),
	"run, exit 255":                     run("plain", words("/probe", "exit", "255")),
	"run, killed":                       run("host's PID namespace", words("/probe", "signal-self", "9")),
	"run, terminated":                   run("host's PID namespace", words("/probe", "signal-self", "15")),
	"run, by name":                      run("plain", words("probe", "echo", "found")),
	"run, relative":                     run("plain", words("./probe", "echo", "found")),
	"run, no such program":              run("plain", words("/nowhere")),
	"run, no such name":                 run("plain", words("nowhere")),
	"run, not executable":               run("plain", words("/proc/version")),
	"run, a directory":                  run("plain", words("/tmp")),
	"run, reading":                      run("plain", words("/probe", "cat")).reading("from standard input\n"),
	"run --keep":                        run("plain", words("/probe", "exit", "4"), "--keep"),
	"run --detach":                      run("plain", words("/probe", "sleep", "60"), "--detach", "--pid-file", "@OUT/pid"),
	"run -d, no such program":           run("plain", words("/nowhere"), "-d", "--pid-file", "@OUT/pid"),
	"run -d, terminal without a socket": run("terminal", report, "-d"),
	"run --console-socket, no terminal": run("plain", report, "--console-socket", "@OUT/socket"),
	"run --pid-file":                    run("plain", words("/probe", "true"), "--pid-file", "@OUT/pid"),
	"run --no-pivot":                    run("plain", report, "--no-pivot"),
	"run --no-new-keyring":              run("plain", words("/probe", "true"), "--no-new-keyring"),
	"run --no-subreaper":                run("plain", report, "--no-subreaper"),
	"run --preserve-fds, too many":      run("plain", report, "--preserve-fds", "100"),
	"run, no bundle":                    {kind: "plain", words: words("run", "--bundle", "/nowhere", "@ID")},
	"run, id in use":                    run("plain", report).after("running"),
	"run, bad id":                       {kind: "plain", words: words("run", "--bundle", "@DIR", "a/b")},
	"run, no id":                        {kind: "plain", words: words("run", "--bundle", "@DIR")},
	"run, two ids":                      {kind: "plain", words: words("run", "--bundle", "@DIR", "@ID", "more")},
	"run, unknown flag":                 run("plain", report, "--nonsense"),

	"exec":                          exec("plain", "@ID", "/probe", "report"),
	"exec, user namespace":          exec("user namespace", "@ID", "/probe", "report"),
	"exec, host's PID namespace":    exec("host's PID namespace", "@ID", "/probe", "report"),
	"exec, host's network":          exec("host's network", "@ID", "/probe", "report"),
	"exec, host's names":            exec("host's names", "@ID", "/probe", "report"),
	"exec, ordinary user":           exec("ordinary user", "@ID", "/probe", "report"),
	"exec, more capabilities":       exec("more capabilities", "@ID", "/probe", "report"),
	"exec, ambient capabilities":    exec("ambient capabilities", "@ID", "/probe", "report"),
	"exec, no capabilities":         exec("no capabilities", "@ID", "/probe", "report"),
	"exec, filtered":                exec("filtered", "@ID", "/probe", "report"),
	"exec, limited":                 exec("limited", "@ID", "/probe", "report"),
	"exec, elsewhere":               exec("elsewhere", "@ID", "/probe", "report"),
	"exec, a filtered call":         exec("filtered", "@ID", "/probe", "mkdir", "/tmp/x"),
	"exec, exit 3":                  exec("plain", "@ID", "/probe", "exit", "3"),
	"exec, exit 255":                exec("plain", "@ID", "/probe", "exit", "255"),
	"exec, killed":                  exec("plain", "@ID", "/probe", "signal-self", "9"),
	"exec, terminated":              exec("plain", "@ID", "/probe", "signal-self", "15"),
	"exec, by name":                 exec("plain", "@ID", "probe", "echo", "found"),
	"exec, no such program":         exec("plain", "@ID", "/nowhere"),
	"exec, no such name":            exec("plain", "@ID", "nowhere"),
	"exec, not executable":          exec("plain", "@ID", "/proc/version"),
	"exec, a directory":             exec("plain", "@ID", "/tmp"),
	"exec, reading":                 exec("plain", "@ID", "/probe", "cat").reading("from standard input\n"),
	"exec, the program's own flags": exec("plain", "@ID", "/probe", "echo", "--detach", "-e"),
	"exec, --":                      exec("plain", "@ID", "--", "/probe", "echo", "found"),
	"exec --env":                    exec("plain", "-e", "A=1", "-e", "B=x,y=z", "-e", "TERM=vt100", "@ID", "/probe", "report"),
	"exec --env, no value":          exec("plain", "--env", "A", "@ID", "/probe", "true"),
	"exec --cwd":                    exec("plain", "--cwd", "/tmp", "@ID", "/probe", "report"),
	"exec --cwd, relative":          exec("plain", "--cwd", "tmp", "@ID", "/probe", "true"),
	"exec --cwd, nowhere":           exec("plain", "--cwd", "/nowhere", "@ID", "/probe", "true"),
	"exec --user":                   exec("plain", "--user", "1000", "@ID", "/probe", "report"),
	"exec --user, with group":       exec("plain", "-u", "1000:1001", "@ID", "/probe", "report"),
	"exec --user, a name":           exec("plain", "-u", "daemon", "@ID", "/probe", "true"),
	"exec --additional-gids":        exec("ordinary user", "-g", "7", "-g", "8", "@ID", "/probe", "report"),
	"exec --additional-gids, below": exec("plain", "-g", "-1", "@ID", "/probe", "true"),
	"exec --cap":                    exec("plain", "--cap", "CAP_SYS_PTRACE", "--cap", "CAP_CHOWN", "@ID", "/probe", "report"),
	"exec --cap, unknown":           exec("plain", "--cap", "CAP_NONSENSE", "@ID", "/probe", "true"),
	"exec --no-new-privs":           exec("more capabilities", "--no-new-privs", "@ID", "/probe", "report"),
	"exec --tty":                    exec("plain", "--tty", "@ID", "/probe", "report"),
	"exec --detach":                 exec("plain", "-d", "--pid-file", "@OUT/pid", "@ID", "/probe", "sleep", "60"),
	"exec -d, no such program":      exec("plain", "-d", "--pid-file", "@OUT/pid", "@ID", "/nowhere"),
	"exec -d --tty, no socket":      exec("plain", "-d", "--tty", "@ID", "/probe", "true"),
	"exec --process":                exec("plain", "--process", "@OUT/p", "@ID").with("p", `{"cwd":"/tmp","args":["/probe","report"],"env":["A=1"],"user":{"uid":7,"gid":8,"additionalGids":[9]}}`),
	"exec --process, broken":        exec("plain", "--process", "@OUT/p", "@ID").with("p", `{"cwd":"/tmp",`),
	"exec --process, no file":       exec("plain", "--process", "@OUT/none", "@ID"),
	"exec --preserve-fds, too many": exec("plain", "--preserve-fds", "100", "@ID", "/probe", "true"),
	"exec --apparmor":               exec("plain", "--apparmor", "some-profile", "@ID", "/probe", "true"),
	"exec --process-label":          exec("plain", "--process-label", "a:b:c:s0", "@ID", "/probe", "true"),
	"exec, created":                 exec("plain", "@ID", "/probe", "report").after("created"),
	"exec, stopped":                 exec("plain", "@ID", "/probe", "true").after("stopped"),
	"exec, paused":                  exec("plain", "@ID", "/probe", "true").after("paused"),
	"exec, no such container":       exec("plain", "nobody", "/probe", "true"),
	"exec, no command":              exec("plain", "@ID"),
	"exec, no container":            exec("plain"),
	"exec, unknown flag":            exec("plain", "--nonsense", "@ID", "/probe", "true"),

	"update, nothing":                   running("update", "@ID"),
	"update --pids-limit, below":        running("update", "--pids-limit", "-3", "@ID"),
	"update --resources, a config.json": running("update", "--resources", "@DIR/config.json", "@ID"),
	"state, bad --rootless":             running("--rootless=x", "state", "@ID"),
}
