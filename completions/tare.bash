# bash completion for tare(8). Made by `go generate ./completions`; what it knows of the program is the program's own.

# _tare_options COMMAND: its options, as names.
_tare_options() {
    case $1 in
    '') names='--root --log --log-format --debug --systemd-cgroup --rootless --help -h --version -v' ;;
    'run') names='--bundle -b --pid-file --console-socket --pidfd-socket --preserve-fds --no-pivot --no-new-keyring --detach -d --keep --no-subreaper --record-seccomp --help -h' ;;
    'create') names='--bundle -b --pid-file --console-socket --pidfd-socket --preserve-fds --no-pivot --no-new-keyring --help -h' ;;
    'start') names='--help -h' ;;
    'exec') names='--env -e --process -p --cwd --user -u --additional-gids -g --tty -t --detach -d --pid-file --console-socket --pidfd-socket --cap -c --no-new-privs --apparmor --process-label --preserve-fds --cgroup --ignore-paused --help -h' ;;
    'kill') names='--all -a --help -h' ;;
    'delete') names='--force -f --help -h' ;;
    'pause') names='--help -h' ;;
    'resume') names='--help -h' ;;
    'update') names='--resources -r --memory --memory-swap --memory-reservation --cpu-quota --cpu-period --cpu-burst --cpu-share --cpu-idle --cpu-rt-period --cpu-rt-runtime --cpuset-cpus --cpuset-mems --pids-limit --blkio-weight --l3-cache-schema --mem-bw-schema --help -h' ;;
    'checkpoint') names='--image-path --work-path --tcp-established --ext-unix-sk --shell-job --file-locks --lazy-pages --link-remap --auto-dedup --manage-cgroups-mode --empty-ns --parent-path --leave-running --pre-dump --tcp-skip-in-flight --status-fd --page-server --help -h' ;;
    'restore') names='--bundle -b --pid-file --console-socket --pidfd-socket --preserve-fds --no-pivot --no-new-keyring --image-path --work-path --tcp-established --ext-unix-sk --shell-job --file-locks --lazy-pages --link-remap --auto-dedup --manage-cgroups-mode --empty-ns --detach -d --no-subreaper --tcp-close --lsm-profile --lsm-mount-context --help -h' ;;
    'state') names='--help -h' ;;
    'list') names='--format -f --quiet -q --help -h' ;;
    'ps') names='--format -f --help -h' ;;
    'events') names='--interval --stats --help -h' ;;
    'spec') names='--bundle -b --rootless --help -h' ;;
    'check') names='--format -f --config-only --strict --help -h' ;;
    'features') names='--help -h' ;;
    'seccomp') names='--help -h' ;;
    'seccomp show') names='--arch --format -f --bpf --dot --help -h' ;;
    'seccomp diff') names='--arch --help -h' ;;
    'help') names='' ;;
    esac
}

# _tare_value COMMAND OPTION: what completes the option's value, as kind; fails if it takes none.
_tare_value() {
    case "$1 $2" in
    ' --root') kind=-dir ;;
    ' --log') kind=-file ;;
    ' --log-format') kind='text json' ;;
    ' --rootless') kind='true false auto' ;;
    'run --bundle' | 'run -b') kind=-dir ;;
    'run --pid-file') kind=-file ;;
    'run --console-socket') kind=-file ;;
    'run --pidfd-socket') kind=-file ;;
    'run --preserve-fds') kind=-none ;;
    'run --record-seccomp') kind=-file ;;
    'create --bundle' | 'create -b') kind=-dir ;;
    'create --pid-file') kind=-file ;;
    'create --console-socket') kind=-file ;;
    'create --pidfd-socket') kind=-file ;;
    'create --preserve-fds') kind=-none ;;
    'exec --env' | 'exec -e') kind=-none ;;
    'exec --process' | 'exec -p') kind=-file ;;
    'exec --cwd') kind=-none ;;
    'exec --user' | 'exec -u') kind=-none ;;
    'exec --additional-gids' | 'exec -g') kind=-none ;;
    'exec --pid-file') kind=-file ;;
    'exec --console-socket') kind=-file ;;
    'exec --pidfd-socket') kind=-file ;;
    'exec --cap' | 'exec -c') kind='CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' ;;
    'exec --apparmor') kind=-none ;;
    'exec --process-label') kind=-none ;;
    'exec --preserve-fds') kind=-none ;;
    'exec --cgroup') kind=-none ;;
    'update --resources' | 'update -r') kind=-file ;;
    'update --memory') kind=-none ;;
    'update --memory-swap') kind=-none ;;
    'update --memory-reservation') kind=-none ;;
    'update --cpu-quota') kind=-none ;;
    'update --cpu-period') kind=-none ;;
    'update --cpu-burst') kind=-none ;;
    'update --cpu-share') kind=-none ;;
    'update --cpu-idle') kind=-none ;;
    'update --cpu-rt-period') kind=-none ;;
    'update --cpu-rt-runtime') kind=-none ;;
    'update --cpuset-cpus') kind=-none ;;
    'update --cpuset-mems') kind=-none ;;
    'update --pids-limit') kind=-none ;;
    'update --blkio-weight') kind=-none ;;
    'update --l3-cache-schema') kind=-none ;;
    'update --mem-bw-schema') kind=-none ;;
    'checkpoint --image-path') kind=-dir ;;
    'checkpoint --work-path') kind=-dir ;;
    'checkpoint --manage-cgroups-mode') kind='soft full strict ignore' ;;
    'checkpoint --empty-ns') kind='network' ;;
    'checkpoint --parent-path') kind=-dir ;;
    'checkpoint --status-fd') kind=-none ;;
    'checkpoint --page-server') kind=-none ;;
    'restore --bundle' | 'restore -b') kind=-dir ;;
    'restore --pid-file') kind=-file ;;
    'restore --console-socket') kind=-file ;;
    'restore --pidfd-socket') kind=-file ;;
    'restore --preserve-fds') kind=-none ;;
    'restore --image-path') kind=-dir ;;
    'restore --work-path') kind=-dir ;;
    'restore --manage-cgroups-mode') kind='soft full strict ignore' ;;
    'restore --empty-ns') kind='network' ;;
    'restore --lsm-profile') kind=-none ;;
    'restore --lsm-mount-context') kind=-none ;;
    'list --format' | 'list -f') kind='table json' ;;
    'ps --format' | 'ps -f') kind='table json' ;;
    'events --interval') kind=-none ;;
    'spec --bundle' | 'spec -b') kind=-dir ;;
    'check --format' | 'check -f') kind='text json' ;;
    'seccomp show --arch') kind='x86 x86_64 x32 arm aarch64 mips mips64 mips64n32 mipsel mipsel64 mipsel64n32 ppc ppc64 ppc64le s390 s390x parisc parisc64 riscv64 loongarch64 m68k sh sheb' ;;
    'seccomp show --format' | 'seccomp show -f') kind='table json' ;;
    'seccomp diff --arch') kind='x86 x86_64 x32 arm aarch64 mips mips64 mips64n32 mipsel mipsel64 mipsel64n32 ppc ppc64 ppc64le s390 s390x parisc parisc64 riscv64 loongarch64 m68k sh sheb' ;;
    *) return 1 ;;
    esac
}

# _tare_argument COMMAND N: what completes its argument N, from 0, as kind.
_tare_argument() {
    case "$1 $2" in
    'start 0') kind=-id ;;
    'exec 0') kind=-id ;;
    'kill 0') kind=-id ;;
    'kill 1') kind=-signal ;;
    'delete 0') kind=-id ;;
    'pause 0') kind=-id ;;
    'resume 0') kind=-id ;;
    'update 0') kind=-id ;;
    'checkpoint 0') kind=-id ;;
    'state 0') kind=-id ;;
    'ps 0') kind=-id ;;
    'events 0') kind=-id ;;
    'check 0') kind=-file ;;
    'seccomp 0') kind=-command ;;
    'seccomp show 0') kind=-file ;;
    'seccomp diff 0') kind=-file ;;
    'seccomp diff 1') kind=-file ;;
    'help 0') kind=-command ;;
    *) kind=-none ;;
    esac
}

# _tare_commands COMMAND: those below it, as names.
_tare_commands() {
    case $1 in
    '' | help) names='run create start exec kill delete pause resume update checkpoint restore state list ps events spec check features seccomp help' ;;
    'seccomp') names='show diff' ;;
    *) names= ;;
    esac
}

# _tare_line cuts the line up to the cursor at its blanks, as line. COMP_WORDS is cut at each of COMP_WORDBREAKS, too.
_tare_line() {
    local rest=${COMP_LINE:0:COMP_POINT} word before i
    line=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        before=${rest%%[![:blank:]]*}
        rest=${rest:${#before}}
        ((i < COMP_CWORD)) || word=$rest
        rest=${rest:${#word}}
        if [[ $i == 0 || $before ]]; then
            line+=("$word")
        else
            line[${#line[@]} - 1]+=$word
        fi
    done
}

# _tare_plain WORD: without quotes and backslashes, and with the home directory for ~/, as plain. Nothing is expanded
# that a shell would execute.
_tare_plain() {
    plain=${1//[\'\"\\]/}
    [[ $1 != \~/* ]] || plain=$HOME/${plain:2}
}

_tare() {
    local program=$1 line current command='' root='' only='' kind='' count=0 names plain word i
    local IFS=$' \t\n' words=()
    COMPREPLY=()
    _tare_line
    current=${line[-1]}

    for ((i = 1; i < ${#line[@]} - 1; i++)); do
        word=${line[i]}
        if [[ $only || $word != -?* ]]; then
            _tare_commands "$command"
            if [[ ! $command ]]; then
                command=$word
            elif [[ $command != help && " $names " == *" $word "* ]]; then
                command+=" $word"
            else
                ((++count))
            fi
            case $command in
            exec | kill | ps) ((count == 0)) || only=1 ;;
            esac
        elif [[ $word == -- ]]; then
            only=1
        else
            [[ $word == --* || $word == -? ]] || word=-$word
            if [[ $word != *=* ]] && _tare_value "$command" "$word"; then
                word="$word=${line[++i]}"
            fi
            [[ $command || $word != --root=* ]] || root=${word#*=}
        fi
    done

    if ((i == ${#line[@]})); then
        : # the current word is the value of the option before it: kind is known
    elif [[ ! $only && $current == -*=* ]]; then
        word=${current%%=*} current=${current#*=}
        [[ $word == --* || $word == -? ]] || word=-$word
        _tare_value "$command" "$word" || kind=-none
    elif [[ ! $only && $current == -* ]]; then
        _tare_options "$command"
        kind=$names
    elif [[ ! $command ]]; then
        kind=-command
    else
        _tare_argument "$command" "$count"
    fi
    if [[ $kind == -command ]]; then
        _tare_commands "$command"
        kind=$names
    fi

    case $kind in
    -none) ;;
    -dir) compopt -o dirnames ;;
    -file) compopt -o default ;;
    -signal)
        words=(HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS)
        [[ $current != SIG* ]] || words=("${words[@]/#/SIG}")
        ;;
    -id)
        _tare_plain "$program"
        program=$plain
        _tare_plain "$root"
        root=$plain
        mapfile -t words < <("$program" ${root:+--root "$root"} list --quiet 2>/dev/null)
        ;;
    *) read -ra words <<<"$kind" ;;
    esac
    for word in "${words[@]}"; do
        [[ $word != "$current"* ]] || COMPREPLY+=("$word")
    done
}

complete -F _tare tare
