package qemu

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/PlanktoScope/pkbuild/qemu/scenario"
)

//go:embed container.sh
var containerScript string

// Container is an emulated device that systemd-nspawn boots from the root file system of a card, instead of QEMU; it
// implements scenario.Device. It has no firmware, kernel, clock, watchdog or USB of its own, and needs root.
type Container struct {
	o       DeviceOptions
	dir     string
	card    string
	boots   int
	network *network

	cmd     *exec.Cmd // nil while the container is off
	start   time.Time
	console *console
	ended   chan struct{}
	cgroup  string
	leader  int // process 1 of the container, as the host numbers it; 0 until it is found
}

// NewContainer copies a disk image to a new virtual SD card and returns a stopped container that boots from it. It fails if
// this process is not root or systemd-nspawn is not installed.
func NewContainer(o DeviceOptions) (*Container, error) {
	if o.Console == nil {
		o.Console = io.Discard
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if _, err := exec.LookPath("systemd-nspawn"); err != nil {
		return nil, errors.New("systemd-nspawn is not installed; run: apt install systemd-container")
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("machine container needs root")
	}
	info, err := os.Stat(o.Image)
	if err != nil {
		return nil, err
	}
	c := &Container{o: o, dir: dir, card: filepath.Join(dir, CardFile)}
	return c, errors.Join(os.MkdirAll(dir, 0o777), copyCard(o.Image, c.card, max(o.Card, info.Size())))
}

// Start boots the container and does not wait for the end of the boot. It fails if start asks for a clock, USB, a watchdog
// or a log of disk writes, which a container does not have.
func (c *Container) Start(ctx context.Context, start scenario.Start) (err error) {
	if !start.Clock.IsZero() || start.USB || start.Watchdog || start.WriteLog {
		return errors.New("machine container has no clock, USB, watchdog or log of writes")
	}
	root, err := cardEditor{c.card}.partition(2)
	if err != nil {
		return err
	}
	c.boots++
	boot := filepath.Join(c.dir, fmt.Sprintf("boot-%d", c.boots))
	if err := os.MkdirAll(boot, 0o777); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(boot, consoleFile))
	if err != nil {
		return err
	}
	if c.cgroup, err = newCgroup(); err != nil {
		return errors.Join(err, log.Close())
	}
	cmd := exec.Command("unshare", "--mount", "--propagation=private", "--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
		"sh", "-c", containerScript)
	cmd.Dir = boot
	cmd.Env = append(os.Environ(), "CARD="+c.card, fmt.Sprint("OFFSET=", root.start), fmt.Sprint("SIZE=", root.size), "CGROUP="+c.cgroup)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return errors.Join(err, log.Close())
	}
	ready := make(chan struct{})
	c.console = &console{out: io.MultiWriter(log, c.o.Console), onLine: func(line string) {
		if strings.TrimSpace(line) == "namespaces are ready" {
			close(ready)
		}
	}}
	cmd.Stdout, cmd.Stderr = c.console, c.console
	if err := c.launch(cmd, log); err != nil {
		return err
	}
	select {
	case <-ready:
	case <-c.ended:
		return errors.Join(fmt.Errorf("container: %s", strings.TrimSpace(c.Console())), c.off())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if c.network, err = newNetwork(ctx, cmd.Process.Pid, c.o.LAN, c.o.Member); err != nil {
		return err
	}
	_, err = io.WriteString(in, "boot\n")
	return err
}

// launch starts the process in a thread that lasts as long: its death ends the process.
func (c *Container) launch(cmd *exec.Cmd, log io.Closer) error {
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the exit code is in ProcessState
			_ = log.Close()
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return errors.Join(err, log.Close())
	}
	c.cmd, c.start, c.ended, c.leader = cmd, time.Now(), ended, 0
	return nil
}

// Ready waits until systemd has reached basic.target, before which systemctl may not answer. It fails after limit, or if the
// container stops.
func (c *Container) Ready(ctx context.Context, limit time.Duration) error {
	if c.cmd == nil {
		return errOff
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("boot: not done after %s", limit))
	defer cancel()
	for {
		out, err := c.Run(ctx, "systemctl is-active --quiet basic.target", time.Minute)
		if err == nil && out.Code == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.ended:
			return errEnded
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// agentEnv are the variables that scripts have in a container, as in a virtual machine.
var agentEnv = []string{
	"LC_ALL=C", "HOME=/root", "TERM=dumb", "PAGER=cat", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0", "SYSTEMD_URLIFY=0",
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}

// Run executes a shell script in the container as root and returns its output and exit code. An exit code other than 0 is no
// error; a script that runs longer than limit is ended, and its code is 124.
func (c *Container) Run(ctx context.Context, script string, limit time.Duration) (Output, error) {
	if c.cmd == nil {
		return Output{}, errOff
	}
	leader, err := c.findLeader()
	if err != nil {
		return Output{}, err
	}
	cmd := exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
		"--root", "--wd", "timeout", strconv.FormatFloat(limit.Seconds(), 'f', 3, 64), "sh", "-c", script)
	cmd.Env, cmd.WaitDelay = agentEnv, time.Second
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return Output{}, context.Cause(ctx)
	case c.hasEnded():
		return Output{}, errEnded
	case err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay):
		return Output{}, err
	}
	return Output{Code: cmd.ProcessState.ExitCode(), Text: strings.TrimSuffix(out.String(), "\n")}, nil
}

func (c *Container) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// findLeader returns process 1 of the container: the descendant that is 1 in the innermost of three process namespaces.
func (c *Container) findLeader() (int, error) {
	if c.leader != 0 {
		return c.leader, nil
	}
	pending := []int{c.cmd.Process.Pid}
	for len(pending) > 0 {
		pid := pending[0]
		pending = pending[1:]
		numbers := statusField(pid, "NSpid:")
		if len(numbers) >= 3 && numbers[len(numbers)-1] == "1" && numbers[len(numbers)-2] != "1" {
			c.leader = pid
			return pid, nil
		}
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
		for field := range strings.FieldsSeq(string(children)) {
			if n, err := strconv.Atoi(field); err == nil {
				pending = append(pending, n)
			}
		}
	}
	return 0, errors.New("container has no process 1 yet")
}

func statusField(pid int, name string) []string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), name); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

// Inspect waits until systemd has started everything, at most until about 10 minutes after the start, and returns the
// system's defects and boot report. A system that has not started by then has a defect; the error is for one that does not
// answer.
func (c *Container) Inspect(ctx context.Context) (*scenario.State, error) {
	if c.cmd == nil {
		return nil, errOff
	}
	r := &Result{Machine: scenario.ContainerMachine}
	ssh := func(ctx context.Context) (net.Conn, error) { return c.network.dial(ctx, 22) }
	if err := inspect(ctx, c, r, ssh, Options{Timeout: inspectTime}); err != nil {
		return nil, err
	}
	return &scenario.State{Defects: Judge(r), Report: r.Report, NoReport: r.NoReport, Phases: map[string]float64{}}, nil
}

// Dial connects to a TCP port of the container; any port can be reached. It fails if the container is stopped.
func (c *Container) Dial(ctx context.Context, port int) (net.Conn, error) {
	if c.cmd == nil {
		return nil, errOff
	}
	return c.network.dial(ctx, port)
}

// Console returns the output of the container's console since the last start; "" before the first.
func (c *Container) Console() string {
	if c.console == nil {
		return ""
	}
	return c.console.all()
}

// Elapsed returns the time since the container was started; 0 while it is stopped.
func (c *Container) Elapsed() time.Duration {
	if c.cmd == nil {
		return 0
	}
	return max(1, time.Since(c.start))
}

// Sleep waits for the duration d. It returns an error early if the container stops.
func (c *Container) Sleep(ctx context.Context, d time.Duration) error {
	if c.cmd == nil {
		return errOff
	}
	select {
	case <-time.After(d):
		return nil
	case <-c.ended:
		return errEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
