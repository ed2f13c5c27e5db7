package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/qemu/scenario"
)

// rebootCode is the exit code of systemd-nspawn after a restart of a container that it was not to restart itself.
const rebootCode = 133

// Ended waits until the container stops by itself, and returns the reason: "power-off" or "reboot". It fails if the
// container still runs after limit, or if systemd-nspawn ended with another exit code.
func (c *Container) Ended(ctx context.Context, limit time.Duration) (string, error) {
	if c.cmd == nil {
		return "", errOff
	}
	select {
	case <-c.ended:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-time.After(limit):
		return "", fmt.Errorf("end of the boot: not done after %s", limit)
	}
	code := c.cmd.ProcessState.ExitCode()
	err := c.off()
	switch code {
	case 0:
		return "power-off", err
	case rebootCode:
		return "reboot", err
	}
	return "", errors.Join(fmt.Errorf("systemd-nspawn: exit code %d", code), err)
}

// PowerOff shuts the container down and waits until it has ended. It fails if the container still runs after limit, or has
// restarted instead.
func (c *Container) PowerOff(ctx context.Context, limit time.Duration) error {
	if _, err := c.Run(ctx, "systemctl --no-block poweroff", time.Minute); err != nil && !errors.Is(err, errEnded) {
		return err
	}
	reason, err := c.Ended(ctx, limit)
	if err == nil && reason != "power-off" {
		err = fmt.Errorf("the container stopped by %s, want power-off", reason)
	}
	return err
}

// Flags of the request that stops an ext4 at once, without flushing its journal (fs/ext4/ext4.h of Linux).
const (
	ext4Shutdown = 0x8004587d // _IOR('X', 125, __u32)
	noLogFlush   = 2
)

// Cut ends the container at once, without a shutdown, and loses what its root file system has not synced. It fails if lost
// is set: a container has no drive of its own whose cache could be lost.
func (c *Container) Cut(_ context.Context, lost bool, _ int) error {
	switch {
	case c.cmd == nil:
		return errOff
	case lost:
		return errors.New("machine container has no cache of a drive to lose")
	}
	leader, err := c.findLeader()
	if err != nil {
		return errors.Join(err, c.kill())
	}
	root, err := os.Open(fmt.Sprintf("/proc/%d/root/", leader))
	if err != nil {
		return errors.Join(err, c.kill())
	}
	err = unix.IoctlSetPointerInt(int(root.Fd()), ext4Shutdown, noLogFlush)
	if err != nil {
		err = fmt.Errorf("stop the root file system: %w", err)
	}
	return errors.Join(err, root.Close(), c.kill())
}

// kill ends all processes of the container.
func (c *Container) kill() error {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.ended
	return c.off()
}

// Plug fails: a container has no USB.
func (c *Container) Plug(context.Context, *scenario.Stick) error { return errNoUSB }

// Unplug fails: a container has no USB.
func (c *Container) Unplug(context.Context, string) error { return errNoUSB }

var errNoUSB = errors.New("machine container has no USB")

// off waits until nothing of a container that has ended is left.
func (c *Container) off() error {
	c.cmd = nil
	return errors.Join(c.network.close(), removeCgroup(c.cgroup), released(c.card))
}

// Card returns the means to change the card's files while the container is stopped.
func (c *Container) Card() scenario.Card { return cardEditor{c.card} }

// Describe returns what helps to find out why a scenario failed: the command line and the end of the console.
func (c *Container) Describe() string {
	console := strings.Split(strings.TrimSpace(c.Console()), "\n")
	console = console[max(0, len(console)-tailLines):]
	return fmt.Sprintf("machine: container, systemd-nspawn on the card in %s\nconsole:\n%s", c.dir, strings.Join(console, "\n"))
}

// Close stops the container and removes its files unless keep is set.
func (c *Container) Close(keep bool) error {
	if c.cmd != nil {
		if err := c.kill(); err != nil {
			return err
		}
	}
	if keep {
		return nil
	}
	return os.RemoveAll(c.dir)
}
