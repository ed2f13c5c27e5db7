package qemu

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Check is a shell script that runs as root in the booted guest; it passes with exit code 0.
type Check struct {
	Name   string
	Script string
}

// question is a script whose output tells of the guest's state.
type question struct{ name, script string }

const (
	stageOverlays = overlays.CurrentStage + "/exports/overlays"
	settleRound   = 15 * time.Second // of waiting in the guest before its limit is looked at again
)

// stageUnits is a shell function that lists the unit files of the stage, each with whether the system has the same file in
// the same place.
const stageUnits = `files() {
	for dir in etc usr/lib usr/local/lib; do
		for f in ` + stageOverlays + `/$dir/systemd/system/*.service; do
			case $f in *@.service) continue ;; esac
			[ -f "$f" ] && [ ! -L "$f" ] || continue
			path=${f#` + stageOverlays + `}
			if cmp -s "$f" "$path"; then echo "same $path"; else echo "other $path"; fi
		done
	done
}
`

// questions are asked once the system has started.
func questions() []question {
	return append(appQuestions(), []question{
		{"jobs", "systemctl list-jobs --plain --no-legend"},
		{"pkinit", "test -e /usr/lib/pkinit || test -e " + report.Path},
		{"report", "cat " + report.Path},
		{"failed", "systemctl list-units --failed --all --plain --no-legend --full"},
		{"mountinfo", "cat /proc/self/mountinfo"},
		{"stage", "ls " + stageOverlays},
		{"files", stageUnits + "files"},
		{"units", stageUnits + `names=$(files | sed 's|.*/||' | sort -u)
properties=Id,Names,Type,LoadState,ActiveState,SubState,Result,UnitFileState,FragmentPath,NeedDaemonReload
[ -z "$names" ] || systemctl show -p "$properties,ConditionResult,ConditionTimestampMonotonic" -- $names`},
		// Before the journal runs, messages of PID 1 reach it through the kernel.
		{"reloads", `log=$(journalctl --boot --output=cat _PID=1 + _TRANSPORT=kernel SYSLOG_IDENTIFIER=systemd) || { echo "$log"; exit 1; }
[ -n "$log" ] || { echo "the journal has no message of PID 1"; exit 1; }
printf '%s\n' "$log" | grep -Ec '^(Reloading finished|Reexecuting)' || :`},
		{"writeroot", "touch /sysroot/.pkbuild-probe && rm /sysroot/.pkbuild-probe"},
	}...)
}

// ready waits for a shell and starts the agent.
func (vm *VM) ready() error {
	err := vm.agent.start(vm.ctx)
	vm.isReady.Store(err == nil)
	return err
}

// guest is a running system that executes scripts as root.
type guest interface {
	Run(ctx context.Context, script string, limit time.Duration) (Output, error)
	Elapsed() time.Duration // since the start, in which the system could run
}

// inspect waits until the system has started, and fills the result.
func inspect(ctx context.Context, g guest, r *Result, ssh dialer, o Options) error {
	a := answers{}
	defer func() { r.fillSystem(a) }()
	if err := settle(ctx, g, a, o.Timeout/2); err != nil {
		return err
	}
	for _, q := range questions() {
		var err error
		if a[q.name], err = g.Run(ctx, q.script, o.Timeout); err != nil {
			return err
		}
	}
	r.Checks = []Attempt{}
	for _, c := range o.Checks {
		out, err := g.Run(ctx, c.Script, o.Timeout/2)
		if err != nil {
			return fmt.Errorf("run check %s: %w", c.Name, err)
		}
		r.Checks = append(r.Checks, Attempt{Name: c.Name, Output: out})
	}
	if err := r.fill(a); err != nil {
		return err
	}
	var err error
	if r.SSH, err = sshGreeting(ctx, ssh); err != nil {
		r.NoSSH = err.Error()
	}
	return nil
}

// settle waits until the system has started, or the limit is over.
func settle(ctx context.Context, g guest, a answers, limit time.Duration) (err error) {
	if a["started"], err = g.Run(ctx, "cat /proc/uptime", limit); err != nil {
		return err
	}
	for {
		a["system"], err = g.Run(ctx, "systemctl is-system-running --wait", min(limit, settleRound))
		if err != nil {
			return err
		}
		if a["system"].Code != timedOut || g.Elapsed() > limit {
			break
		}
	}
	a["settled"], err = g.Run(ctx, "cat /proc/uptime", limit)
	return err
}

// Run executes a shell script in the guest as root and returns its exit code and output. A script that runs longer than
// limit, by the guest's clock, is ended, and its code is 124.
func (vm *VM) Run(ctx context.Context, script string, limit time.Duration) (Output, error) {
	return vm.agent.run(ctx, script, limit)
}

// Elapsed returns how long the virtual machine has run, without the time in which the host gave it no processor.
func (vm *VM) Elapsed() time.Duration { return vm.watch.elapsed() }

// timedOut is the exit code of timeout(1).
const timedOut = 124

// stop ends the machine: by a shutdown of the system, or, as a power cut does, at once.
func (vm *VM) stop(cut bool) error {
	if cut {
		return vm.cmd.Process.Signal(syscall.SIGTERM) // QEMU exits with 0
	}
	_, err := vm.agent.run(vm.ctx, "systemctl --no-block poweroff", time.Minute)
	if err != nil && !errors.Is(err, errEnded) {
		return err
	}
	time.AfterFunc(powerOffTime, func() { vm.fail(fmt.Errorf("the guest is not off after %s", powerOffTime)) })
	return nil
}
