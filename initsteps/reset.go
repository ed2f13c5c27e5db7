package initsteps

import (
	"fmt"
	"path"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
)

// Reset is the boot step that carries out a queued factory reset before a stage is selected: it sets the next stage and
// removes all overrides (the user's changes in /etc and /usr). It removes the queued file last, or leaves in it the
// part that needs Docker, so that after a power cut the next boot repeats all of it with the same result.
type Reset struct{}

func (Reset) String() string { return "reset" }

// Done always returns false: Do itself finds out whether a reset is queued.
func (Reset) Done(*Boot) (bool, error) { return false, nil }

// Do carries out the queued reset, and skips the step if none is queued.
func (Reset) Do(b *Boot) error {
	data, err := queued(b, override.ResetFile, "no reset is queued")
	if err != nil {
		return err
	}
	r, err := override.ParseReset(data)
	switch {
	case err != nil:
		return err
	case r.Stage == 0:
		return Skip("the reset is done except for the containers, which pkctl stage apply resets")
	}
	return reset(b, r)
}

func reset(b *Boot, r override.Reset) error {
	if err := setNext(b, r.Stage); err != nil {
		return fmt.Errorf("%w (to cancel the reset: pkctl reset --cancel)", err)
	}
	if r.Overrides {
		for _, name := range []string{"overrides", override.QueueFile} {
			if err := b.RemoveAll(overlays.StateDir, name); err != nil {
				return err
			}
		}
	}
	if r.HandOver {
		if err := handOver(b); err != nil {
			return fmt.Errorf("hand over: %w", err)
		}
	}
	b.Print(fmt.Sprintf("reset to stage %d", r.Stage))
	if !r.Containers {
		return b.RemoveAll(overlays.StateDir, override.ResetFile)
	}
	data, err := override.Reset{Containers: true, HandOver: r.HandOver}.Marshal()
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

// Undo does nothing: removed overrides cannot be restored.
func (Reset) Undo(*Boot) error { return nil }
