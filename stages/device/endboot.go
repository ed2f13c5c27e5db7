package device

import (
	"context"
	"slices"
	"time"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// unwritable reports whether the device keeps changes in memory only, so that no verdict can be recorded.
func unwritable(boot report.Boot) bool {
	return slices.ContainsFunc(boot.Overlays, func(o report.Overlay) bool { return o.Mode != report.Writable })
}

// EndBoot is called when this boot ends before its stage could be checked, for a reason such as emergency mode, and
// reports whether the device should reboot. It records a failed verdict on a stage that is not proven and has no good
// or failed one. For a proven stage it records nothing: pkinit has counted the boot, and leaves out overrides after
// several. The device need not reboot if the stage was judged in this boot, or if it is proven and changes are kept in
// memory only.
func (d Device) EndBoot(ctx context.Context, reason string, at time.Time) (reboot bool, err error) {
	boot, err := d.BootReport()
	if err != nil {
		return true, err
	}
	n := boot.Choice.Stage
	if n == 0 {
		return true, nil
	}
	if boot.Choice.Requested {
		applied, err := d.ApplyReport()
		return applied == nil, err
	}
	snapshot, err := d.snapshot()
	d.warn(err) // what cannot be read has no verdict
	if boot.Choice.Attempt == 0 {
		return snapshot.State.Stages[n].Attempts > 0 && !unwritable(boot), nil
	}
	judged := func(s stages.Snapshot) bool {
		r := s.State.Stages[n].Result
		return r == stages.Good || r == stages.Failed
	}
	reboot = !judged(snapshot) // also if the store cannot be opened: pkinit does not repeat an attempt that cannot be recorded
	err = d.changeStore(ctx, func(s *store.Store) error {
		locked, err := d.snapshot()
		d.warn(err)
		if reboot = !judged(locked); !reboot {
			return nil
		}
		reasons := []string{reason}
		if suspect := d.SuspectOverrides(); suspect != "" {
			reasons = append(reasons, suspect)
		}
		return s.Judge(n, stages.Failed, at, reasons...)
	})
	return reboot, err
}
