package initsteps

// StartUnits reloads systemd and starts the units that the overlays added. It is skipped before systemd runs.
type StartUnits struct{}

func (StartUnits) String() string { return "start-overlaid-units" }

// Done implements Step.
func (StartUnits) Done(b *Boot) (bool, error) { return false, nil }

// Do implements Step.
func (StartUnits) Do(b *Boot) error {
	if b.Report.Initramfs {
		return Skip("systemd starts after the overlays and loads all units itself")
	}
	if err := b.Command("systemctl", "daemon-reload"); err != nil {
		return err
	}
	return b.Command("systemctl", "restart", "--no-block",
		"sockets.target", "timers.target", "multi-user.target", "default.target")
}

// Undo implements Step.
func (StartUnits) Undo(*Boot) error { return nil }
