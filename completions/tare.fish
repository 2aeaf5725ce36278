# fish completion for tare(8). Made by `go generate ./completions`; what it knows of the program is the program's own.

# __tare_at COMMAND [N]: whether that is the command on the line, followed by N arguments so far. Where the last option before
# the cursor still wants its value, which is the word at the cursor, an empty one stands in for it.
function __tare_at -a command count
    set -l line (commandline -opc)
    set -e line[1]
    set -l specs -s 'root=' 'log=' 'log-format=' 'debug' 'systemd-cgroup' 'rootless=' 'h/help' 'v/version'
    argparse $specs -- $line 2>/dev/null
    or argparse $specs -- $line '' 2>/dev/null
    or return
    set -l name
    if set -q argv[1]
        set name $argv[1]
        set -e argv[1]
    end
    if contains -- "$name $argv[1]" 'seccomp show' 'seccomp diff'
        set name "$name $argv[1]"
        set -e argv[1]
    end
    test "$name" = "$command"
    or return
    set specs
    switch $name
        case 'run'
            set specs 'b/bundle=' 'pid-file=' 'console-socket=' 'pidfd-socket=' 'preserve-fds=' 'no-pivot' 'no-new-keyring' 'd/detach' 'keep' 'no-subreaper' 'record-seccomp=' 'h/help'
        case 'create'
            set specs 'b/bundle=' 'pid-file=' 'console-socket=' 'pidfd-socket=' 'preserve-fds=' 'no-pivot' 'no-new-keyring' 'h/help'
        case 'start'
            set specs 'h/help'
        case 'exec'
            set specs -s 'e/env=+' 'p/process=' 'cwd=' 'u/user=' 'g/additional-gids=+' 't/tty' 'd/detach' 'pid-file=' 'console-socket=' 'pidfd-socket=' 'c/cap=+' 'no-new-privs' 'apparmor=' 'process-label=' 'preserve-fds=' 'cgroup=+' 'ignore-paused' 'h/help'
        case 'kill'
            set specs -s 'a/all' 'h/help'
        case 'delete'
            set specs 'f/force' 'h/help'
        case 'pause'
            set specs 'h/help'
        case 'resume'
            set specs 'h/help'
        case 'update'
            set specs 'r/resources=' 'memory=' 'memory-swap=' 'memory-reservation=' 'cpu-quota=' 'cpu-period=' 'cpu-burst=' 'cpu-share=' 'cpu-idle=' 'cpu-rt-period=' 'cpu-rt-runtime=' 'cpuset-cpus=' 'cpuset-mems=' 'pids-limit=' 'blkio-weight=' 'l3-cache-schema=' 'mem-bw-schema=' 'h/help'
        case 'checkpoint'
            set specs 'image-path=' 'work-path=' 'tcp-established' 'ext-unix-sk' 'shell-job' 'file-locks' 'lazy-pages' 'link-remap' 'auto-dedup' 'manage-cgroups-mode=' 'empty-ns=+' 'parent-path=' 'leave-running' 'pre-dump' 'tcp-skip-in-flight' 'status-fd=' 'page-server=' 'h/help'
        case 'restore'
            set specs 'b/bundle=' 'pid-file=' 'console-socket=' 'pidfd-socket=' 'preserve-fds=' 'no-pivot' 'no-new-keyring' 'image-path=' 'work-path=' 'tcp-established' 'ext-unix-sk' 'shell-job' 'file-locks' 'lazy-pages' 'link-remap' 'auto-dedup' 'manage-cgroups-mode=' 'empty-ns=+' 'd/detach' 'no-subreaper' 'tcp-close' 'lsm-profile=' 'lsm-mount-context=' 'h/help'
        case 'state'
            set specs 'h/help'
        case 'list'
            set specs 'f/format=' 'q/quiet' 'h/help'
        case 'ps'
            set specs -s 'f/format=' 'h/help'
        case 'events'
            set specs 'interval=' 'stats' 'h/help'
        case 'spec'
            set specs 'b/bundle=' 'rootless' 'h/help'
        case 'check'
            set specs 'f/format=' 'config-only' 'strict' 'h/help'
        case 'features'
            set specs 'h/help'
        case 'seccomp'
            set specs -s 'h/help'
        case 'seccomp show'
            set specs 'arch=' 'f/format=' 'bpf' 'dot' 'h/help'
        case 'seccomp diff'
            set specs 'arch=' 'h/help'
        case 'help'
            set specs
    end
    argparse $specs -- $argv 2>/dev/null
    or argparse $specs -- $argv '' 2>/dev/null
    or return
    test -z "$count"
    or test (count $argv) = $count
end

# The ids of the containers below the state root that is on the line.
function __tare_ids
    set -l line (string replace -r '^~/' "$HOME/" -- (commandline -opc))
    set -l call $line[1]
    set -e line[1]
    argparse -s 'root=' 'log=' 'log-format=' 'debug' 'systemd-cgroup' 'rootless=' 'h/help' 'v/version' -- $line 2>/dev/null
    set -q _flag_root
    and set -a call --root (string replace -r '^~/' "$HOME/" -- $_flag_root)
    $call list --quiet 2>/dev/null
end

# The signals, with SIG once that has been begun.
function __tare_signals
    set -l names HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS
    string match -q 'SIG*' -- (commandline -ct)
    and set names SIG$names
    string join \n $names
end

complete -c tare -f
complete -c tare -n '__tare_at "" 0' -a run -d 'create a container, start it and wait for its end'
complete -c tare -n '__tare_at "" 0' -a create -d 'make a container that waits for start'
complete -c tare -n '__tare_at "" 0' -a start -d 'let the process of a created container run'
complete -c tare -n '__tare_at "" 0' -a exec -d 'run one more process in a container'
complete -c tare -n '__tare_at "" 0' -a kill -d 'send a signal to a container\'s first process'
complete -c tare -n '__tare_at "" 0' -a delete -d 'remove a stopped container, or one that was never started'
complete -c tare -n '__tare_at "" 0' -a pause -d 'stop all processes of a container where they are'
complete -c tare -n '__tare_at "" 0' -a resume -d 'let the processes of a paused container run'
complete -c tare -n '__tare_at "" 0' -a update -d 'change the limits of a container'
complete -c tare -n '__tare_at "" 0' -a checkpoint -d 'write a running container\'s processes to files, for restore'
complete -c tare -n '__tare_at "" 0' -a restore -d 'create a container whose processes go on where a checkpoint left them'
complete -c tare -n '__tare_at "" 0' -a state -d 'print the state of a container as JSON'
complete -c tare -n '__tare_at "" 0' -a list -d 'list the containers below the state root'
complete -c tare -n '__tare_at "" 0' -a ps -d 'list the processes of a container'
complete -c tare -n '__tare_at "" 0' -a events -d 'print what a container uses, and OOM kills, as they come'
complete -c tare -n '__tare_at "" 0' -a spec -d 'write a config.json to start from'
complete -c tare -n '__tare_at "" 0' -a check -d 'tell all that is wrong with a bundle, without running it'
complete -c tare -n '__tare_at "" 0' -a features -d 'print what this build can do as JSON'
complete -c tare -n '__tare_at "" 0' -a seccomp -d 'show what a seccomp profile decides, or what two decide differently'
complete -c tare -n '__tare_at "" 0' -a help -d 'print the help page of a command'
complete -c tare -n '__tare_at "" 0' -l root -x -a '(__fish_complete_directories)' -d 'keep the state of containers below DIR'
complete -c tare -n '__tare_at "" 0' -l log -r -F -d 'append errors to FILE too, besides standard error'
complete -c tare -n '__tare_at "" 0' -l log-format -x -a 'text json' -d 'FORMAT of log records: text or json'
complete -c tare -n '__tare_at "" 0' -l debug -d 'log what is done, and where in the program'
complete -c tare -n '__tare_at "" 0' -l systemd-cgroup -d 'let systemd make the cgroup: cgroupsPath is slice:prefix:name'
complete -c tare -n '__tare_at "" 0' -l rootless -x -a 'true false auto' -d 'go on if cgroups may not be changed: WHEN is true, false or auto'
complete -c tare -n '__tare_at "" 0' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "" 0' -l version -s v -d 'print the version and leave'

complete -c tare -n '__tare_at "run"' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'the bundle is DIR, not the current directory'
complete -c tare -n '__tare_at "run"' -l pid-file -r -F -d 'write the pid of the container\'s first process to FILE'
complete -c tare -n '__tare_at "run"' -l console-socket -r -F -d 'send the terminal\'s master to the UNIX socket PATH'
complete -c tare -n '__tare_at "run"' -l pidfd-socket -r -F -d 'send a pidfd of the first process to the UNIX socket PATH'
complete -c tare -n '__tare_at "run"' -l preserve-fds -x -d 'hand on N more open files: descriptors 3 to N+2'
complete -c tare -n '__tare_at "run"' -l no-pivot -d 'move the root, no pivot_root: for a host that runs from initramfs'
complete -c tare -n '__tare_at "run"' -l no-new-keyring -d 'keep the caller\'s session keyring'
complete -c tare -n '__tare_at "run"' -l detach -s d -d 'leave once the container\'s process runs'
complete -c tare -n '__tare_at "run"' -l keep -d 'keep the stopped container until delete'
complete -c tare -n '__tare_at "run"' -l no-subreaper -d 'do not adopt the container\'s orphaned processes'
complete -c tare -n '__tare_at "run"' -l record-seccomp -r -F -d 'add what the workload calls to the seccomp profile in FILE'
complete -c tare -n '__tare_at "run"' -l help -s h -d 'print this page and leave'

complete -c tare -n '__tare_at "create"' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'the bundle is DIR, not the current directory'
complete -c tare -n '__tare_at "create"' -l pid-file -r -F -d 'write the pid of the container\'s first process to FILE'
complete -c tare -n '__tare_at "create"' -l console-socket -r -F -d 'send the terminal\'s master to the UNIX socket PATH'
complete -c tare -n '__tare_at "create"' -l pidfd-socket -r -F -d 'send a pidfd of the first process to the UNIX socket PATH'
complete -c tare -n '__tare_at "create"' -l preserve-fds -x -d 'hand on N more open files: descriptors 3 to N+2'
complete -c tare -n '__tare_at "create"' -l no-pivot -d 'move the root, no pivot_root: for a host that runs from initramfs'
complete -c tare -n '__tare_at "create"' -l no-new-keyring -d 'keep the caller\'s session keyring'
complete -c tare -n '__tare_at "create"' -l help -s h -d 'print this page and leave'

complete -c tare -n '__tare_at "start"' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "start" 0' -a '(__tare_ids)'

complete -c tare -n '__tare_at "exec" 0' -l env -s e -x -d 'add the environment variable VAR=VALUE'
complete -c tare -n '__tare_at "exec" 0' -l process -s p -r -F -d 'run the process that the JSON in FILE describes'
complete -c tare -n '__tare_at "exec" 0' -l cwd -x -d 'start in the directory DIR'
complete -c tare -n '__tare_at "exec" 0' -l user -s u -x -d 'be the user UID[:GID], both numbers'
complete -c tare -n '__tare_at "exec" 0' -l additional-gids -s g -x -d 'be in the group GID too'
complete -c tare -n '__tare_at "exec" 0' -l tty -s t -d 'give the process a terminal'
complete -c tare -n '__tare_at "exec" 0' -l detach -s d -d 'leave once the process runs'
complete -c tare -n '__tare_at "exec" 0' -l pid-file -r -F -d 'write the pid of the process to FILE'
complete -c tare -n '__tare_at "exec" 0' -l console-socket -r -F -d 'send the terminal\'s master to the UNIX socket PATH'
complete -c tare -n '__tare_at "exec" 0' -l pidfd-socket -r -F -d 'send a pidfd of the process to the UNIX socket PATH'
complete -c tare -n '__tare_at "exec" 0' -l cap -s c -x -a 'CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' -d 'add the capability CAP, such as CAP_NET_RAW'
complete -c tare -n '__tare_at "exec" 0' -l no-new-privs -d 'never let the process gain privileges'
complete -c tare -n '__tare_at "exec" 0' -l apparmor -x -d 'confine the process by the AppArmor PROFILE'
complete -c tare -n '__tare_at "exec" 0' -l process-label -x -d 'give the process the SELinux context LABEL'
complete -c tare -n '__tare_at "exec" 0' -l preserve-fds -x -d 'hand on N more open files: descriptors 3 to N+2'
complete -c tare -n '__tare_at "exec" 0' -l cgroup -x -d 'start in the cgroup PATH below the container\'s'
complete -c tare -n '__tare_at "exec" 0' -l ignore-paused -d 'start in a paused container, to run once it is resumed'
complete -c tare -n '__tare_at "exec" 0' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "exec" 0' -a '(__tare_ids)'

complete -c tare -n '__tare_at "kill" 0' -l all -s a -d 'signal every process; a stopped container is no error'
complete -c tare -n '__tare_at "kill" 0' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "kill" 0' -a '(__tare_ids)'
complete -c tare -n '__tare_at "kill" 1' -a '(__tare_signals)'

complete -c tare -n '__tare_at "delete"' -l force -s f -d 'kill a running container with SIGKILL'
complete -c tare -n '__tare_at "delete"' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "delete" 0' -a '(__tare_ids)'

complete -c tare -n '__tare_at "pause"' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "pause" 0' -a '(__tare_ids)'

complete -c tare -n '__tare_at "resume"' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "resume" 0' -a '(__tare_ids)'

complete -c tare -n '__tare_at "update"' -l resources -s r -r -F -d 'read the limits as JSON from FILE, - for standard input'
complete -c tare -n '__tare_at "update"' -l memory -x -d 'limit memory to SIZE; -1 lifts the limit, and that of swap'
complete -c tare -n '__tare_at "update"' -l memory-swap -x -d 'limit memory and swap together to SIZE; -1: no limit'
complete -c tare -n '__tare_at "update"' -l memory-reservation -x -d 'let SIZE of memory be reclaimed last'
complete -c tare -n '__tare_at "update"' -l cpu-quota -x -d 'let it have the CPUs for USECS in each period; -1: no limit'
complete -c tare -n '__tare_at "update"' -l cpu-period -x -d 'make the period USECS long'
complete -c tare -n '__tare_at "update"' -l cpu-burst -x -d 'let it save up USECS of quota that it did not use'
complete -c tare -n '__tare_at "update"' -l cpu-share -x -d 'make N its share when CPUs are scarce; 1024 is the usual one'
complete -c tare -n '__tare_at "update"' -l cpu-idle -x -d 'if N is 1, run only when nobody else wants to; 0: as usual'
complete -c tare -n '__tare_at "update"' -l cpu-rt-period -x -d 'make the period of real-time tasks USECS long (cgroup v1)'
complete -c tare -n '__tare_at "update"' -l cpu-rt-runtime -x -d 'let real-time tasks run USECS in each of theirs (cgroup v1)'
complete -c tare -n '__tare_at "update"' -l cpuset-cpus -x -d 'run on the CPUs of LIST, such as 0-3,7'
complete -c tare -n '__tare_at "update"' -l cpuset-mems -x -d 'take memory from the nodes of LIST'
complete -c tare -n '__tare_at "update"' -l pids-limit -x -d 'limit processes and threads to N; -1: no limit'
complete -c tare -n '__tare_at "update"' -l blkio-weight -x -d 'make N, 10 to 1000, its share when disks are busy'
complete -c tare -n '__tare_at "update"' -l l3-cache-schema -x -d 'give its class the share SCHEMA of the L3 caches'
complete -c tare -n '__tare_at "update"' -l mem-bw-schema -x -d 'give its class the share SCHEMA of the memory bandwidth'
complete -c tare -n '__tare_at "update"' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "update" 0' -a '(__tare_ids)'

complete -c tare -n '__tare_at "checkpoint"' -l image-path -x -a '(__fish_complete_directories)' -d 'the images are in DIR, not ./checkpoint'
complete -c tare -n '__tare_at "checkpoint"' -l work-path -x -a '(__fish_complete_directories)' -d 'CRIU\'s log goes to DIR, not to that of the images'
complete -c tare -n '__tare_at "checkpoint"' -l tcp-established -d 'save, or take up again, established TCP connections'
complete -c tare -n '__tare_at "checkpoint"' -l ext-unix-sk -d 'UNIX sockets may lead out of the container'
complete -c tare -n '__tare_at "checkpoint"' -l shell-job -d 'the processes may be a job of the caller\'s shell'
complete -c tare -n '__tare_at "checkpoint"' -l file-locks -d 'save, or take again, file locks'
complete -c tare -n '__tare_at "checkpoint"' -l lazy-pages -d 'memory comes when it is needed (userfaultfd)'
complete -c tare -n '__tare_at "checkpoint"' -l link-remap -d 'link files that were unlinked and are open'
complete -c tare -n '__tare_at "checkpoint"' -l auto-dedup -d 'drop memory from images that others have'
complete -c tare -n '__tare_at "checkpoint"' -l manage-cgroups-mode -x -a 'soft full strict ignore' -d 'cgroup properties: MODE is soft, full, strict or ignore'
complete -c tare -n '__tare_at "checkpoint"' -l empty-ns -x -a 'network' -d 'leave what is in the namespace network to hooks'
complete -c tare -n '__tare_at "checkpoint"' -l parent-path -x -a '(__fish_complete_directories)' -d 'save what has changed since DIR, relative to --image-path'
complete -c tare -n '__tare_at "checkpoint"' -l leave-running -d 'let the container go on'
complete -c tare -n '__tare_at "checkpoint"' -l pre-dump -d 'write the memory alone, and let the container go on'
complete -c tare -n '__tare_at "checkpoint"' -l tcp-skip-in-flight -d 'leave out connections that are not established yet'
complete -c tare -n '__tare_at "checkpoint"' -l status-fd -x -d 'write a byte to descriptor N once the memory\'s server listens'
complete -c tare -n '__tare_at "checkpoint"' -l page-server -x -d 'send the memory to a server at HOST:PORT'
complete -c tare -n '__tare_at "checkpoint"' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "checkpoint" 0' -a '(__tare_ids)'

complete -c tare -n '__tare_at "restore"' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'the bundle is DIR, not the current directory'
complete -c tare -n '__tare_at "restore"' -l pid-file -r -F -d 'write the pid of the container\'s first process to FILE'
complete -c tare -n '__tare_at "restore"' -l console-socket -r -F -d 'send the terminal\'s master to the UNIX socket PATH'
complete -c tare -n '__tare_at "restore"' -l pidfd-socket -r -F -d 'send a pidfd of the first process to the UNIX socket PATH'
complete -c tare -n '__tare_at "restore"' -l preserve-fds -x -d 'hand on N more open files: descriptors 3 to N+2'
complete -c tare -n '__tare_at "restore"' -l no-pivot -d 'move the root, no pivot_root: for a host that runs from initramfs'
complete -c tare -n '__tare_at "restore"' -l no-new-keyring -d 'keep the caller\'s session keyring'
complete -c tare -n '__tare_at "restore"' -l image-path -x -a '(__fish_complete_directories)' -d 'the images are in DIR, not ./checkpoint'
complete -c tare -n '__tare_at "restore"' -l work-path -x -a '(__fish_complete_directories)' -d 'CRIU\'s log goes to DIR, not to that of the images'
complete -c tare -n '__tare_at "restore"' -l tcp-established -d 'save, or take up again, established TCP connections'
complete -c tare -n '__tare_at "restore"' -l ext-unix-sk -d 'UNIX sockets may lead out of the container'
complete -c tare -n '__tare_at "restore"' -l shell-job -d 'the processes may be a job of the caller\'s shell'
complete -c tare -n '__tare_at "restore"' -l file-locks -d 'save, or take again, file locks'
complete -c tare -n '__tare_at "restore"' -l lazy-pages -d 'memory comes when it is needed (userfaultfd)'
complete -c tare -n '__tare_at "restore"' -l link-remap -d 'link files that were unlinked and are open'
complete -c tare -n '__tare_at "restore"' -l auto-dedup -d 'drop memory from images that others have'
complete -c tare -n '__tare_at "restore"' -l manage-cgroups-mode -x -a 'soft full strict ignore' -d 'cgroup properties: MODE is soft, full, strict or ignore'
complete -c tare -n '__tare_at "restore"' -l empty-ns -x -a 'network' -d 'leave what is in the namespace network to hooks'
complete -c tare -n '__tare_at "restore"' -l detach -s d -d 'leave once the container\'s processes run'
complete -c tare -n '__tare_at "restore"' -l no-subreaper -d 'do not adopt the container\'s orphaned processes'
complete -c tare -n '__tare_at "restore"' -l tcp-close -d 'close TCP connections that were established'
complete -c tare -n '__tare_at "restore"' -l lsm-profile -x -d 'the processes get the label TYPE:LABEL: selinux:… or apparmor:…'
complete -c tare -n '__tare_at "restore"' -l lsm-mount-context -x -d 'mounts get the SELinux label LABEL'
complete -c tare -n '__tare_at "restore"' -l help -s h -d 'print this page and leave'

complete -c tare -n '__tare_at "state"' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "state" 0' -a '(__tare_ids)'

complete -c tare -n '__tare_at "list"' -l format -s f -x -a 'table json' -d 'FORMAT is table (which is the default) or json'
complete -c tare -n '__tare_at "list"' -l quiet -s q -d 'print the ids only'
complete -c tare -n '__tare_at "list"' -l help -s h -d 'print this page and leave'

complete -c tare -n '__tare_at "ps" 0' -l format -s f -x -a 'table json' -d 'FORMAT is table (which is the default) or json: pids alone'
complete -c tare -n '__tare_at "ps" 0' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "ps" 0' -a '(__tare_ids)'

complete -c tare -n '__tare_at "events"' -l interval -x -d 'print stats each TIME, such as 500ms or 1m; 5s is the default'
complete -c tare -n '__tare_at "events"' -l stats -d 'print the stats of now, and leave'
complete -c tare -n '__tare_at "events"' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "events" 0' -a '(__tare_ids)'

complete -c tare -n '__tare_at "spec"' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'write into DIR, not the current directory'
complete -c tare -n '__tare_at "spec"' -l rootless -d 'for a user without privileges: a user namespace, no limits'
complete -c tare -n '__tare_at "spec"' -l help -s h -d 'print this page and leave'

complete -c tare -n '__tare_at "check"' -l format -s f -x -a 'text json' -d 'FORMAT is text (which is the default) or json'
complete -c tare -n '__tare_at "check"' -l config-only -d 'look at the config alone, not at this host or the root file system'
complete -c tare -n '__tare_at "check"' -l strict -d 'let warnings count as errors do'
complete -c tare -n '__tare_at "check"' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "check" 0' -F

complete -c tare -n '__tare_at "features"' -l help -s h -d 'print this page and leave'

complete -c tare -n '__tare_at "seccomp" 0' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "seccomp" 0' -a show -d 'show what becomes of each system call'
complete -c tare -n '__tare_at "seccomp" 0' -a diff -d 'show which calls two profiles decide differently'

complete -c tare -n '__tare_at "seccomp show"' -l arch -x -a 'x86 x86_64 x32 arm aarch64 mips mips64 mips64n32 mipsel mipsel64 mipsel64n32 ppc ppc64 ppc64le s390 s390x parisc parisc64 riscv64 loongarch64 m68k sh sheb' -d 'show the calls of ARCH, as x86_64 or SCMP_ARCH_X86_64, not of this machine\'s'
complete -c tare -n '__tare_at "seccomp show"' -l format -s f -x -a 'table json' -d 'FORMAT is table (which is the default) or json'
complete -c tare -n '__tare_at "seccomp show"' -l bpf -d 'show the program instead: its instructions, and what they mean'
complete -c tare -n '__tare_at "seccomp show"' -l dot -d 'show the program as a graph, in Graphviz\' language'
complete -c tare -n '__tare_at "seccomp show"' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "seccomp show" 0' -F

complete -c tare -n '__tare_at "seccomp diff"' -l arch -x -a 'x86 x86_64 x32 arm aarch64 mips mips64 mips64n32 mipsel mipsel64 mipsel64n32 ppc ppc64 ppc64le s390 s390x parisc parisc64 riscv64 loongarch64 m68k sh sheb' -d 'compare the calls of ARCH, not of this machine\'s'
complete -c tare -n '__tare_at "seccomp diff"' -l help -s h -d 'print this page and leave'
complete -c tare -n '__tare_at "seccomp diff" 0' -F
complete -c tare -n '__tare_at "seccomp diff" 1' -F

complete -c tare -n '__tare_at "help" 0' -a run -d 'create a container, start it and wait for its end'
complete -c tare -n '__tare_at "help" 0' -a create -d 'make a container that waits for start'
complete -c tare -n '__tare_at "help" 0' -a start -d 'let the process of a created container run'
complete -c tare -n '__tare_at "help" 0' -a exec -d 'run one more process in a container'
complete -c tare -n '__tare_at "help" 0' -a kill -d 'send a signal to a container\'s first process'
complete -c tare -n '__tare_at "help" 0' -a delete -d 'remove a stopped container, or one that was never started'
complete -c tare -n '__tare_at "help" 0' -a pause -d 'stop all processes of a container where they are'
complete -c tare -n '__tare_at "help" 0' -a resume -d 'let the processes of a paused container run'
complete -c tare -n '__tare_at "help" 0' -a update -d 'change the limits of a container'
complete -c tare -n '__tare_at "help" 0' -a checkpoint -d 'write a running container\'s processes to files, for restore'
complete -c tare -n '__tare_at "help" 0' -a restore -d 'create a container whose processes go on where a checkpoint left them'
complete -c tare -n '__tare_at "help" 0' -a state -d 'print the state of a container as JSON'
complete -c tare -n '__tare_at "help" 0' -a list -d 'list the containers below the state root'
complete -c tare -n '__tare_at "help" 0' -a ps -d 'list the processes of a container'
complete -c tare -n '__tare_at "help" 0' -a events -d 'print what a container uses, and OOM kills, as they come'
complete -c tare -n '__tare_at "help" 0' -a spec -d 'write a config.json to start from'
complete -c tare -n '__tare_at "help" 0' -a check -d 'tell all that is wrong with a bundle, without running it'
complete -c tare -n '__tare_at "help" 0' -a features -d 'print what this build can do as JSON'
complete -c tare -n '__tare_at "help" 0' -a seccomp -d 'show what a seccomp profile decides, or what two decide differently'
complete -c tare -n '__tare_at "help" 0' -a help -d 'print the help page of a command'
