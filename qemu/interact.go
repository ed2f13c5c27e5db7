package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// Terminal is the user's terminal, in raw mode, to which a shell in the guest is connected.
type Terminal struct {
	In            io.Reader
	Out           io.Writer
	Rows, Columns int
}

// shutdownLimit is the limit of a shutdown after the user has ended a session.
const shutdownLimit = 2 * time.Minute

// Session boots an image for interactive use: with a shell on the terminal t until the shell exits or, if t is nil, until
// ctx ends. When the guest is ready, it calls ready with the result, which has QEMU's command line and the forwarded ports.
// At the end it shuts the guest down, unless the user has. It fails if the guest has no shell after o.Timeout.
func Session(ctx context.Context, image string, o Options, t *Terminal, ready func(*Result)) error {
	o = o.withDefaults()
	m, err := machine(o.Machine)
	if err != nil {
		return err
	}
	if _, err := exec.LookPath(program); err != nil {
		return errNotInstalled
	}
	dir, clean, err := directory(o.Dir)
	if err != nil {
		return err
	}
	r, _, err := prepare(image, dir, m, o)
	if err == nil {
		err = session(ctx, m, r, o, t, ready)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("boot %s: %w", image, err), clean(true))
	}
	return clean(false)
}

func session(ctx context.Context, m Machine, r *Result, o Options, t *Terminal, ready func(*Result)) error {
	limit := o.Timeout
	o.Timeout = forever
	vm, err := run(context.WithoutCancel(ctx), m, r.Command, r.Dir, o)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		if !vm.isReady.Load() {
			vm.fail(context.Cause(ctx))
		}
	})
	defer stop()
	late := time.AfterFunc(limit, func() {
		if !vm.isReady.Load() {
			vm.fail(fmt.Errorf("guest has no shell after %s", limit))
		}
	})
	defer late.Stop()
	if err = vm.connect(); err == nil {
		err = vm.ready()
	}
	if err == nil {
		ready(r)
		err = vm.use(ctx, t)
	}
	if err == nil {
		err = vm.stop(false)
		time.AfterFunc(shutdownLimit, func() { vm.fail(fmt.Errorf("the guest is not off after %s", shutdownLimit)) })
	}
	if errors.Is(err, errEnded) { // the user has shut the system down
		err = nil
	}
	if err != nil {
		vm.fail(err)
	}
	return vm.wait(err)
}

// use lets the user work with the system.
func (vm *VM) use(ctx context.Context, t *Terminal) error {
	if t != nil {
		defer context.AfterFunc(ctx, func() { vm.fail(context.Cause(ctx)) })()
		return vm.agent.shell(vm.ctx, t.In, t.Out, t.Rows, t.Columns)
	}
	select {
	case <-ctx.Done():
		return nil
	case <-vm.ctx.Done():
		return context.Cause(vm.ctx)
	}
}

// ParseForward parses a port forwarding HOST:GUEST, two TCP ports such as 8080:80.
func ParseForward(text string) (Forward, error) {
	var f Forward
	host, guest, ok := strings.Cut(text, ":")
	_, err := fmt.Sscan(host+" "+guest, &f.Host, &f.Guest)
	if !ok || err != nil || f.Host < 1 || f.Host > 65535 || f.Guest < 1 || f.Guest > 65535 ||
		fmt.Sprintf("%d:%d", f.Host, f.Guest) != text {
		return Forward{}, fmt.Errorf("%q is not HOST:GUEST with two port numbers, such as 8080:80", text)
	}
	return f, nil
}
