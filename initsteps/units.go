package initsteps

// StartUnits makes systemd load the units that the overlays brought, where it was running before them.
type StartUnits struct{}

func (StartUnits) String() string { return "start-overlaid-units" }

// Done implements Step.
func (StartUnits) Done(b *Boot) (bool, error) { return false, nil }

// Do implements Step.
func (StartUnits) Do(b *Boot) error {
	if b.Report.Initramfs {
		return Skip("systemd starts after the overlays and sees all units")
	}
	if err := b.Command("systemctl", "daemon-reload"); err != nil {
		return err
	}
	return b.Command("systemctl", "restart", "--no-block",
		"sockets.target", "timers.target", "multi-user.target", "default.target")
}

// Undo implements Step.
func (StartUnits) Undo(*Boot) error { return nil }
