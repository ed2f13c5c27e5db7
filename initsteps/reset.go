package initsteps

import (
	"fmt"
	"io/fs"
	"path"

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
			if err := b.RemoveAll(state, name); err != nil {
				return err
			}
		}
	}
	b.Print(fmt.Sprintf("reset to stage %d", r.Stage))
	if !r.Containers {
		return b.RemoveAll(state, override.ResetFile)
	}
	data, err := override.Reset{Containers: true}.Marshal()
	if err != nil {
		return err
	}
	return b.WriteFile(path.Join(state, override.ResetFile), data, 0o644)
}

// setNext makes a stage the next one, with all its attempts ahead. In this order: without the second the old stage is
// next as before.
func setNext(b *Boot, stage int) error {
	dir := b.DirFS(stages.Dir)
	if err := stages.CheckBundle(dir, stage); err != nil {
		return fmt.Errorf("stage %d cannot be next: %w", stage, err)
	}
	data, err := fs.ReadFile(dir, stages.StoreFile)
	if err != nil {
		return err
	}
	store, err := stages.ParseStore(data)
	if err != nil {
		return err
	}
	snapshot, _ := stages.Load(dir) // a state that cannot be read is as good as none
	if data, err = snapshot.State.Forgotten(stage).Marshal(); err != nil {
		return err
	}
	if err := b.WriteFile(path.Join(stages.Dir, stages.StateFile), data, 0o644); err != nil {
		return err
	}
	store.Staged = store.Staged.WithNext(stage)
	if data, err = store.Marshal(); err != nil {
		return err
	}
	return b.WriteFile(path.Join(stages.Dir, stages.StoreFile), data, 0o644)
}

// Undo implements Step: what was given up stays so.
func (Reset) Undo(*Boot) error { return nil }
