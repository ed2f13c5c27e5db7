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

// EndBoot records that this boot ends without the checks of a stage, for a reason such as emergency mode, and reports
// whether the device should reboot. An unproven stage gets a bad verdict. A proven one gets none, so that its boots
// count, and lead to less of what may be at fault. If the boot has a verdict already, or cannot have one since the file
// system is not writable, nothing is recorded and the device need not reboot.
func (d Device) EndBoot(ctx context.Context, reason string, at time.Time) (reboot bool, err error) {
	boot, err := d.BootReport()
	if err != nil {
		return true, err
	}
	n := boot.Choice.Stage
	if n == 0 {
		return true, nil
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
		return s.Judge(n, stages.Failed, at, reason)
	})
	return reboot, err
}
