package initsteps

import (
	"fmt"
	"path"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
)

// Reset does what the administrator queued: another stage is next, and all overrides are given up, before any of it is
// chosen or mounted. What says so goes last, or becomes what is to be done once Docker runs; so what a power cut
// interrupts is done by the next boot, from the beginning, with the same end.
type Reset struct{}

func (Reset) String() string { return "reset" }

// Done implements Step. That nothing is left to do is seen by Do.
func (Reset) Done(*Boot) (bool, error) { return false, nil }

// Do implements Step.
func (Reset) Do(b *Boot) error {
	data, err := queued(b, override.ResetFile, "nothing is to be reset")
	if err != nil {
		return err
	}
	reset, err := override.ParseReset(data)
	switch {
	case err != nil:
		return err
	case reset.Stage == 0:
		return Skip("pkctl stage apply does the rest")
	}
	return giveUp(b, reset)
}

func giveUp(b *Boot, r override.Reset) error {
	if err := setNext(b, r.Stage); err != nil {
		return fmt.Errorf("%w (to give the reset up: pkctl reset --cancel)", err)
	}
	if r.Overrides {
		for _, name := range []string{"overrides", override.QueueFile} {
			if err := b.RemoveAll(overlays.StateDir, name); err != nil {
				return err
			}
		}
	}
	b.Print(fmt.Sprintf("reset to stage %d", r.Stage))
	if !r.Containers {
		return b.RemoveAll(overlays.StateDir, override.ResetFile)
	}
	data, err := override.Reset{Containers: true}.Marshal()
	if err != nil {
		return err
	}
	return b.WriteFile(path.Join(overlays.StateDir, override.ResetFile), data, 0o644)
}

// setNext makes a stage the next one, with all its attempts ahead.
func setNext(b *Boot, stage int) error {
	dir := b.DirFS(stages.Dir)
	if err := stages.CheckBundle(dir, stage); err != nil {
		return fmt.Errorf("stage %d cannot be next: %w", stage, err)
	}
	files, err := stages.ReadFiles(dir)
	if err != nil {
		return err
	}
	_, writes, err := files.SetNext(stage)
	return b.write(writes, err)
}

// write replaces files of the stage store, in this order.
func (b *Boot) write(writes []stages.Write, err error) error {
	for _, w := range writes {
		if err := b.WriteFile(path.Join(stages.Dir, w.Name), w.Data, 0o644); err != nil {
			return err
		}
	}
	return err
}

// Undo implements Step: what was given up stays so.
func (Reset) Undo(*Boot) error { return nil }
