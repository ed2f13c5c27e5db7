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

// EndBoot records that this boot ends before its stage could be checked, for a reason such as emergency mode, and
// reports whether the device should reboot. A stage that is not proven yet gets a failed verdict. For a proven one the
// boot only counts, and after several the device starts with fewer changes. Nothing is recorded if the boot has a
// verdict already, or the file system is not writable; the device then need not reboot.
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
	err = d.changeStore(ctx, func(s *store.Store) error {
		locked, err := d.snapshot()
		d.warn(err)
		if r := locked.State.Stages[n].Result; r == stages.Good || r == stages.Failed {
			return nil
		}
		reboot = true
		reasons := []string{reason}
		if suspect := d.SuspectOverrides(); suspect != "" {
			reasons = append(reasons, suspect)
		}
		return s.Judge(n, stages.Failed, at, reasons...)
	})
	return reboot, err
}
