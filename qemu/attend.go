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
)

// Waits of the host.
const (
	lastWords = time.Second      // between a fatal line and the end: a trace may follow
	powerOff  = 90 * time.Second // between the word to switch off and the end of QEMU
)

// guest is a running QEMU.
type guest struct {
	cmd      *exec.Cmd
	console  *console
	stderr   bytes.Buffer
	ended    chan struct{}
	err      error       // of QEMU, once it has ended
	speaking atomic.Bool // the probe has begun to answer
}

// attend starts QEMU, has the probe answer, and sees QEMU end.
func attend(ctx context.Context, r *Result, p run, o Options) (err error) {
	log, err := os.Create(r.Console)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	caller := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("not done after %s", o.Timeout))
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	g := &guest{cmd: exec.CommandContext(ctx, r.Command[0], r.Command[1:]...), ended: make(chan struct{})}
	silence := time.AfterFunc(o.Silence, func() {
		if !g.speaking.Load() { // from then on the probe's own limits hold
			fail(fmt.Errorf("the machine said nothing for %s", o.Silence))
		}
	})
	defer silence.Stop()
	g.console = &console{
		out:   io.MultiWriter(log, o.Console),
		alive: func() { silence.Reset(o.Silence) },
		fatal: func(line string) {
			time.AfterFunc(lastWords, func() { fail(fmt.Errorf("the machine says: %s", line)) })
		},
	}
	start := time.Now()
	if err := g.start(r.Dir); err != nil {
		return err
	}
	if err := g.converse(ctx, r, p, o); err != nil {
		g.linger()
		fail(err)
	}
	late := time.AfterFunc(powerOff, func() { fail(fmt.Errorf("the machine is not off after %s", powerOff)) })
	defer late.Stop()
	<-g.ended
	r.Seconds.Total = time.Since(start).Seconds()
	if caller.Err() != nil {
		return context.Cause(caller)
	}
	return g.explain(context.Cause(ctx))
}

func (g *guest) start(dir string) error {
	_ = os.Remove(filepath.Join(dir, probeSocket)) // of a run before, in the same directory
	g.cmd.Dir, g.cmd.Stdout, g.cmd.Stderr, g.cmd.WaitDelay = dir, g.console, &g.stderr, 5*time.Second
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel sends the signal when the thread ends that started QEMU
		defer runtime.UnlockOSThread()
		err := g.cmd.Start()
		started <- err
		if err == nil {
			g.err = g.cmd.Wait()
			close(g.ended)
		}
	}()
	return <-started
}

// converse hears the probe, has a look at SSH while the machine still runs, and has it switched off.
func (g *guest) converse(ctx context.Context, r *Result, p run, o Options) error {
	conn, err := g.dial(ctx, filepath.Join(r.Dir, probeSocket))
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	a, err := readAnswer(firstRead{conn, &g.speaking})
	if fillErr := r.fill(a, o.Checks); err == nil {
		err = fillErr
	}
	if err != nil {
		return err
	}
	if r.SSH, err = sshGreeting(ctx, p.ssh); err != nil {
		r.NoSSH = err.Error()
	}
	if o.Cut {
		return g.cmd.Process.Signal(syscall.SIGTERM) // on which QEMU ends well
	}
	if _, err := io.WriteString(conn, "off\n"); err != nil {
		return fmt.Errorf("tell the probe to switch off: %w", err)
	}
	return nil
}

// dial connects to the probe's port as soon as QEMU listens. The path goes by way of the directory's descriptor, since
// the address of a socket has 107 bytes at most.
func (g *guest) dial(ctx context.Context, socket string) (net.Conn, error) {
	dir, err := os.Open(filepath.Dir(socket))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	addr := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(socket))
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", addr)
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-g.ended:
			return nil, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// linger gives a QEMU that has closed the port the time to end by itself: how it ends says more than a closed port.
func (g *guest) linger() {
	select {
	case <-g.ended:
	case <-time.After(time.Second):
	}
}

// explain makes an error of what ended the run early, with all that helps to find out why.
func (g *guest) explain(cause error) error {
	switch {
	case cause == nil && g.err == nil:
		return nil
	case cause == nil:
		cause = errors.New("QEMU ended badly")
	case g.cmd.ProcessState != nil && g.cmd.ProcessState.Exited():
		cause = fmt.Errorf("the machine ended by itself before the probe had said all: %w", cause)
	}
	return fmt.Errorf("%w\ncommand: cd %s && %s\nended: %v\nstderr: %s\nconsole:\n%s", cause, g.cmd.Dir,
		Shell(g.cmd.Args), g.cmd.ProcessState, strings.TrimSpace(g.stderr.String()), g.console.tail())
}

// firstRead notes that something has been read.
type firstRead struct {
	io.Reader
	done *atomic.Bool
}

func (r firstRead) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.done.Store(true)
	}
	return n, err
}
