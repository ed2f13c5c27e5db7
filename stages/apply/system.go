package apply

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// System is what is asked of the running system.
type System interface {
	// Complete waits until the target is reached that tells that the boot is complete.
	Complete(ctx context.Context) error
	// Broken says of each unit that the target requires what is wrong with it.
	Broken(ctx context.Context) ([]string, error)
	// Check runs a program and returns the end of what it says.
	Check(ctx context.Context, program string) (string, error)
	// Stopping tells whether the system goes down: units that end then are not ill.
	Stopping(ctx context.Context) bool
	// Reboot begins to start the device anew.
	Reboot(ctx context.Context) error
}

// target is reached when the boot is complete: systemd.special(7).
const target = "boot-complete.target"

// Systemd is the System that runs.
type Systemd struct {
	Stage int // that the checks are told of
}

// Complete implements System.
func (Systemd) Complete(ctx context.Context) error {
	_, err := systemctl(ctx, "start", target)
	return err
}

// Broken implements System. A unit that was started and has ended since without an error is as it should be.
func (Systemd) Broken(ctx context.Context) ([]string, error) {
	names, err := systemctl(ctx, "show", "--value", "--property=Requires", target)
	if err != nil || strings.TrimSpace(names) == "" {
		return nil, err
	}
	out, err := systemctl(ctx, append([]string{"show", "--property=Id,LoadState,ActiveState,Result", "--"}, strings.Fields(names)...)...)
	return broken(out), err
}

// broken reads what systemctl show says of units, with an empty line between two of them.
func broken(text string) []string {
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		unit := map[string]string{}
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			unit[key] = value
		}
		switch {
		case unit["LoadState"] != "loaded":
			out = append(out, fmt.Sprintf("unit %s is %s", unit["Id"], unit["LoadState"]))
		case unit["ActiveState"] == "failed", cmp.Or(unit["Result"], "success") != "success":
			out = append(out, fmt.Sprintf("unit %s is %s (%s)", unit["Id"], unit["ActiveState"], unit["Result"]))
		}
	}
	return out
}

// Check implements System. Whatever the program has started ends with it.
func (s Systemd) Check(ctx context.Context, program string) (string, error) {
	cmd := exec.CommandContext(ctx, program)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), fmt.Sprintf("PKCTL_STAGE=%d", s.Stage)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel, cmd.WaitDelay = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }, killAfter
	out, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return last(string(out)), err
}

// Stopping implements System. What cannot be asked does not go down.
func (Systemd) Stopping(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, look)
	defer cancel()
	out, _ := exec.CommandContext(ctx, "systemctl", "is-system-running").Output() // it fails for all but a good state
	return strings.TrimSpace(string(out)) == "stopping"
}

// Reboot implements System.
func (Systemd) Reboot(ctx context.Context) error {
	_, err := systemctl(ctx, "--no-block", "reboot")
	return err
}

func systemctl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "systemctl", args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, killAfter
	err := cmd.Run()
	if err == nil {
		return stdout.String(), nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return "", fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, last(stderr.String()))
}
