package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/shell"
)

const (
	traceTime    = time.Second     // after a fatal line: a stack trace may follow
	powerOffTime = 3 * time.Minute // from systemctl poweroff to the end of QEMU
)

// VM is a running QEMU process, with its console and the agent in the guest that runs commands.
type VM struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser // the guest's serial port
	console *console
	stderr  bytes.Buffer
	agent   *agent
	watch   *stopwatch

	output  atomic.Int64 // bytes of output on all ports
	isReady atomic.Bool  // the agent has replied
	halted  atomic.Bool  // QEMU was ended on a line of the kernel that asks for it
	qmp     *qmp
	ctx     context.Context
	fail    context.CancelCauseFunc // ends QEMU, with the reason
	fatal   func(error)             // receives lines after which the guest does not go on
	ended   chan struct{}
	err     error // of QEMU, once it has ended
}

// run starts QEMU. The caller must call wait.
func run(ctx context.Context, m Machine, command []string, dir string, o Options) (*VM, error) {
	for _, socket := range []string{agentSocket, qmpSocket} {
		_ = os.Remove(filepath.Join(dir, socket)) // of an earlier boot
	}
	vm := &VM{ended: make(chan struct{})}
	vm.ctx, vm.fail = context.WithCancelCause(ctx)
	if vm.fatal = o.fatal; vm.fatal == nil {
		vm.fatal = func(err error) { time.AfterFunc(traceTime, func() { vm.fail(err) }) }
	}
	vm.cmd = exec.CommandContext(vm.ctx, command[0], command[1:]...)
	vm.cmd.Dir, vm.cmd.Stderr, vm.cmd.WaitDelay = dir, &vm.stderr, 5*time.Second
	vm.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(filepath.Join(dir, consoleFile))
	if err != nil {
		return nil, err
	}
	vm.console = &console{out: io.MultiWriter(log, o.Console), onLine: vm.onLine(m)}
	if vm.stdin, err = vm.cmd.StdinPipe(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	outputs := []io.Writer{counter{&vm.output}, vm.console}
	if m.Channel == nil {
		vm.agent = newAgent(vm.stdin)
		outputs = append(outputs, vm.agent)
	}
	vm.cmd.Stdout = io.MultiWriter(outputs...)
	if err := vm.launch(log); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	vm.watch = newStopwatch(vm.cmd.Process.Pid)
	go vm.enforce(o)
	return vm, nil
}

// launch starts the process and waits for it in a goroutine whose thread lasts as long, since the kernel sends the signal of
// a parent's death when the thread ends.
func (vm *VM) launch(log io.Closer) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := vm.cmd.Start()
		started <- err
		if err == nil {
			vm.err = errors.Join(vm.cmd.Wait(), log.Close())
			vm.fail(errEnded)
			close(vm.ended)
		}
	}()
	return <-started
}

// onLine returns the callback for lines of the console.
func (vm *VM) onLine(m Machine) func(string) {
	return func(line string) {
		switch {
		case fatal(line):
			vm.fatal(fmt.Errorf("kernel of the guest failed: %s", line))
		case halted(line) && !m.PowersOff:
			vm.halted.Store(true)
			_ = vm.cmd.Process.Signal(syscall.SIGTERM)
		}
	}
}

// enforce ends QEMU when the boot takes too long, or prints nothing for too long before the agent has replied.
func (vm *VM) enforce(o Options) {
	output, since := int64(-1), time.Duration(0)
	for {
		select {
		case <-vm.ended:
			return
		case <-time.After(min(time.Second, o.Silence/4)):
		}
		elapsed := vm.watch.elapsed()
		if n := vm.output.Load(); n != output || vm.isReady.Load() {
			output, since = n, elapsed
		}
		switch {
		case elapsed > o.Timeout:
			vm.fail(fmt.Errorf("guest has not booted after %s", o.Timeout))
		case elapsed-since > o.Silence:
			vm.fail(fmt.Errorf("the guest printed nothing for %s", o.Silence))
		}
	}
}

// connect connects to QEMU's sockets as soon as it listens. Without a socket for the agent it uses the serial port.
func (vm *VM) connect() error {
	conn, err := vm.dial(qmpSocket)
	if err != nil {
		return err
	}
	if vm.qmp, err = newQMP(vm.ctx, conn); err != nil || vm.agent != nil {
		return err
	}
	if conn, err = vm.dial(agentSocket); err != nil {
		return err
	}
	vm.agent = newAgent(conn)
	go func() {
		_, _ = io.Copy(io.MultiWriter(counter{&vm.output}, vm.agent), conn)
		_ = conn.Close()
	}()
	return nil
}

// dial connects to a socket. Its path goes through the directory's descriptor, since an address has at most 107 bytes.
func (vm *VM) dial(socket string) (net.Conn, error) {
	dir, err := os.Open(vm.cmd.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	addr := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socket)
	for {
		conn, err := (&net.Dialer{}).DialContext(vm.ctx, "unix", addr)
		if err == nil {
			return conn, nil
		}
		select {
		case <-vm.ctx.Done():
			return nil, context.Cause(vm.ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// errEnded is the error of an operation on a machine that has ended.
var errEnded = errors.New("virtual machine ended by itself")

// wait waits for the end of QEMU and returns what went wrong, with all that helps to find out why.
func (vm *VM) wait(cause error) error {
	<-vm.ended
	_ = vm.stdin.Close()
	if reason := context.Cause(vm.ctx); cause == nil && reason != errEnded {
		cause = reason
	}
	switch {
	case cause == nil && (vm.err == nil || vm.halted.Load()):
		return nil
	case cause == nil:
		cause = errors.New("QEMU failed")
	}
	if advice := missingPackage(vm.stderr.String()); advice != "" {
		cause = fmt.Errorf("%w: %s", cause, advice)
	}
	return fmt.Errorf("%w\ncommand: cd %s && %s\nended: %v\nstderr: %s\nconsole:\n%s", cause, vm.cmd.Dir,
		shell.Join(vm.cmd.Args), vm.cmd.ProcessState, strings.TrimSpace(vm.stderr.String()), vm.console.tail())
}

// counter counts the bytes written to it.
type counter struct{ n *atomic.Int64 }

// Write implements io.Writer.
func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}
