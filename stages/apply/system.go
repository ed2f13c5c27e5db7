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

// System is the interface to systemd and to health checks that Apply uses; Systemd implements it.
type System interface {
	// WaitComplete waits until the boot is complete.
	WaitComplete(ctx context.Context) error
	// FailedUnits describes each failed unit that a complete boot requires.
	FailedUnits(ctx context.Context) ([]string, error)
	// Check runs a program and returns the end of its output.
	Check(ctx context.Context, program string) (string, error)
	// Stopping reports whether the system is shutting down: units that end then did not fail.
	Stopping(ctx context.Context) bool
	// Reboot starts a reboot.
	Reboot(ctx context.Context) error
}

// target is the unit that is active when the boot is complete: systemd.special(7).
const target = "boot-complete.target"

// Systemd implements System by running systemctl.
type Systemd struct {
	Stage int // passed to checks in $PKCTL_STAGE
}

// WaitComplete starts boot-complete.target and waits until systemd has started everything that this requires. It fails
// if a required unit fails, or ctx ends.
func (Systemd) WaitComplete(ctx context.Context) error {
	_, err := systemctl(ctx, "start", target)
	return err
}

// FailedUnits returns a description of each failed unit that boot-complete.target requires; none if all are well. A
// required unit that does not exist counts as failed, one that ended without an error does not.
func (Systemd) FailedUnits(ctx context.Context) ([]string, error) {
	names, err := systemctl(ctx, "show", "--value", "--property=Requires", target)
	if err != nil || strings.TrimSpace(names) == "" {
		return nil, err
	}
	out, err := systemctl(ctx, append([]string{"show", "--property=Id,LoadState,ActiveState,Result", "--"}, strings.Fields(names)...)...)
	return failedUnits(out), err
}

// failedUnits parses the output of systemctl show, with an empty line between units.
func failedUnits(text string) []string {
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

// Check runs a health check and returns the end of its output. It fails if the check exits with another code than 0, or
// leaves a process that holds the output open for 10 seconds. When ctx ends, it kills the check and the processes that
// the check started.
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

// Stopping reports whether the system is shutting down; false if systemd does not answer.
func (Systemd) Stopping(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, inspectLimit)
	defer cancel()
	out, _ := exec.CommandContext(ctx, "systemctl", "is-system-running").Output() // exits with an error in every state but running
	return strings.TrimSpace(string(out)) == "stopping"
}

// Reboot tells systemd to reboot, and does not wait for it.
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
