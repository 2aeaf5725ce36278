package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bootLimit is the time a guest has to start its job. The small guest takes 2 seconds, the systemd guest 10, on a
// machine with nothing else to do; a guest that hangs in its early boot hangs for ever.
const bootLimit = 3 * time.Minute

// errNoBoot says that the guest ended, or was ended, before it began its job.
var errNoBoot = errors.New("the guest did not boot")

// runGuest builds the disks, boots the guest with the work in it, and returns what it left. An emulated kernel
// oopses now and then while it boots: a guest that never began its job gets a second try.
func runGuest(ctx context.Context, o *options, w *work, stdout, stderr io.Writer) (*results, error) {
	k, err := ensureKernel(ctx, o.cache, o.refresh)
	if err != nil {
		return nil, err
	}
	root, err := ensureRoot(ctx, o, k)
	if err != nil {
		return nil, err
	}
	m := &machine{o: o, kernel: k.image(), root: root, dir: w.dir}
	if err := makeDisk(ctx, w.tree, m.workDisk(), 4096); err != nil {
		return nil, fmt.Errorf("make the work disk: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	live, err := m.boot(ctx, stdout, stderr)
	if errors.Is(err, errNoBoot) && ctx.Err() == nil {
		fmt.Fprintf(stderr, "vm: %v; its console ends:\n%s\nvm: second try\n", err, m.consoleTail())
		live, err = m.boot(ctx, stdout, stderr)
	}
	if err != nil {
		err = fmt.Errorf("%w; its console ends:\n%s", err, m.consoleTail())
	}
	return m.collect(live, err, stdout)
}

// machine is one virtual machine; dir holds all files that belong to this run alone.
type machine struct {
	o            *options
	kernel, root string
	dir          string
}

func (m *machine) workDisk() string    { return filepath.Join(m.dir, "work.img") }
func (m *machine) resultsDisk() string { return filepath.Join(m.dir, "results.img") }
func (m *machine) console() string     { return filepath.Join(m.dir, "console.log") }

func (m *machine) consoleTail() string {
	text, err := os.ReadFile(m.console())
	if err != nil {
		return err.Error()
	}
	return tail(text, 40)
}

// args is QEMU's command line. One NVMe controller with three namespaces gives the disks fixed names; NVMe and ext4
// are built into Debian's cloud kernel, so it boots without an initramfs.
//
// Most of the emulator's work is the translation of code, which it keeps by address. norandmaps lets each process of a program find what
// the first has had translated; the buffer holds all that a boot and a suite need, as a full one is emptied whole. Starting podman, docker
// and criu forty times each took 26 s with them, and 48 s without.
func (m *machine) args() []string {
	appendLine := "root=/dev/nvme0n1 rootfstype=ext4 rw init=/sbin/init console=ttyS0 panic=-1 oops=panic quiet " +
		"mitigations=off nokaslr norandmaps random.trust_cpu=on tsc=reliable no_timer_check"
	if m.o.guest == guestSystemd {
		appendLine += " systemd.unified_cgroup_hierarchy=1 systemd.mask=serial-getty@ttyS0.service" +
			" systemd.show_status=0 loglevel=3"
	}
	if m.o.kernel != "" {
		appendLine += " " + m.o.kernel
	}
	disk := func(n int, file, options string) []string {
		// A comma in a file name is written twice.
		return []string{
			"-drive", fmt.Sprintf("file=%s,if=none,id=d%d,format=raw,cache=unsafe%s",
				strings.ReplaceAll(file, ",", ",,"), n, options),
			"-device", fmt.Sprintf("nvme-ns,drive=d%d,bus=nv,nsid=%d", n, n),
		}
	}
	args := []string{
		"-machine", "q35", "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max,la57=off",
		"-smp", strconv.Itoa(m.o.smp), "-m", strconv.Itoa(m.o.mem),
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-kernel", m.kernel, "-append", appendLine, "-device", "nvme,id=nv,serial=t",
	}
	args = append(args, disk(1, m.root, ",snapshot=on")...)
	args = append(args, disk(2, m.resultsDisk(), "")...)
	args = append(args, disk(3, m.workDisk(), ",snapshot=on")...)
	// The first port is ttyS0, the console; the second ttyS1, the job's output or the shell.
	return append(args, "-serial", "file:"+m.console(),
		"-chardev", "stdio,id=out,signal=off", "-serial", "chardev:out")
}

// boot runs the machine to its end and returns what came over ttyS1.
func (m *machine) boot(ctx context.Context, stdout, stderr io.Writer) ([]byte, error) {
	if err := m.blankResults(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(bootLimit, func() { cancel(fmt.Errorf("%w within %v", errNoBoot, bootLimit)) })
	defer watchdog.Stop()
	live := &liveOutput{started: watchdog.Stop}
	if m.o.verbose {
		live.copy = stdout
	}
	path, err := findTool("qemu-system-x86_64")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, m.args()...)
	var complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = live, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if m.o.shell {
		// QEMU itself puts the terminal into raw mode and back.
		watchdog.Stop()
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, stderr
	}
	err = cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return live.text, fmt.Errorf("the guest was not done after %v: %w", m.o.timeout, ctx.Err())
	case ctx.Err() != nil:
		return live.text, fmt.Errorf("run the guest: %w", context.Cause(ctx))
	case err != nil:
		return live.text, fmt.Errorf("run qemu: %w: %s", err, tail(complaint.Bytes(), 5))
	case !live.booted && !m.o.shell:
		return live.text, errNoBoot
	}
	return live.text, nil
}

// blankResults empties the results disk, so that a second try cannot find the first one's results.
func (m *machine) blankResults() error {
	f, err := os.Create(m.resultsDisk())
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(2 << 30)
}

// mark begins a line of the harness in the output: group separator, which no test prints.
const mark = 0x1d

// liveOutput is what ttyS1 says. It notices the line by which guest/run says that the job begins, drops it, keeps the
// rest, and copies it to copy if there is one.
type liveOutput struct {
	started func() bool // stops the watchdog
	booted  bool
	text    []byte
	copy    io.Writer
}

var bootLine = []byte{mark, 'b', 'o', 'o', 't', '\n'}

func (l *liveOutput) Write(p []byte) (int, error) {
	l.text = append(l.text, p...)
	fresh := p
	if !l.booted {
		// The line may come in pieces, and QEMU's firmware may have spoken before it.
		_, after, ok := bytes.Cut(l.text, bootLine)
		if !ok {
			return len(p), nil
		}
		l.booted = true
		l.started()
		l.text = bytes.Clone(after)
		fresh = l.text
	}
	if l.copy != nil {
		if _, err := l.copy.Write(plain(fresh)); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
