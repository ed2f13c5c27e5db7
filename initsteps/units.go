package initsteps

// StartUnits is the boot step that reloads systemd and starts the units in the overlays. It is skipped in the
// initramfs, where systemd does not run yet.
type StartUnits struct{}

func (StartUnits) String() string { return "start-overlaid-units" }

// Done always returns false: units that run are not started again by Do.
func (StartUnits) Done(b *Boot) (bool, error) { return false, nil }

// Do reloads systemd and starts the units, and skips the step in the initramfs, before systemd runs.
func (StartUnits) Do(b *Boot) error {
	if b.Report.Initramfs {
		return Skip("units need not be started: systemd starts after the overlays and loads all units itself")
	}
	if err := b.Command("systemctl", "daemon-reload"); err != nil {
		return err
	}
	return b.Command("systemctl", "restart", "--no-block",
		"sockets.target", "timers.target", "multi-user.target", "default.target")
}

// Undo does nothing: units that run are not stopped.
func (StartUnits) Undo(*Boot) error { return nil }
