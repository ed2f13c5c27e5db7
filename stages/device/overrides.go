package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"

	"github.com/PlanktoScope/pkbuild/internal/paths"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Override is a file on the device that the user changed, with what is recorded and queued for it.
type Override struct {
	override.Override        // its path is the one on the device
	Since             int    `json:"since"`           // the stage that ran when it was first seen; 0 for none
	Hides             int    `json:"hides,omitempty"` // the stage since which it hides an update
	Queued            bool   `json:"queued"`          // it is reverted at the next boot
	mine, below       string // where the user's file and the one that it hides lie; "" for none
}

// Notes returns sentences on an override, such as that it hides an update or is queued to be reverted.
func (o Override) Notes() []string {
	var out []string
	if o.Hides != 0 {
		out = append(out, fmt.Sprintf("hides an update since stage %d", o.Hides))
	}
	if o.Queued {
		out = append(out, "reverted at the next boot")
	}
	return out
}

// Overrides lists the files that the user changed in the overlays of this boot, sorted by path within each overlay.
func (d Device) Overrides() ([]Override, error) {
	boot, err := d.BootReport()
	if err != nil {
		return nil, err
	}
	return d.overrides(boot)
}

func (d Device) overrides(boot report.Boot) ([]Override, error) {
	ledger, err := d.ledger()
	if err != nil {
		return nil, err
	}
	queue, err := d.queue()
	if err != nil {
		return nil, err
	}
	all := []Override{}
	for _, o := range boot.Overlays {
		found, err := inOverlay(o, boot.Choice.Stage)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	for i, o := range all {
		seen, known := ledger[o.Path]
		all[i].Since, all[i].Hides = seen.Stage, seen.Hides
		if !known {
			all[i].Since = boot.Choice.Stage
		}
		all[i].Queued = slices.ContainsFunc(queue, func(p string) bool { return paths.Within(o.Path, p) })
	}
	return all, nil
}

// inOverlay lists the user's changes in one overlay.
func inOverlay(o report.Overlay, stage int) ([]Override, error) {
	layers := layersOf(o, stage)
	found, err := override.Overrides(o.Upperdir, layers)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w (overrides belong to root: use sudo)", err)
	}
	var out []Override
	for _, f := range found {
		below, _, err := override.Lookup(layers, f.Path)
		if err != nil {
			return nil, err
		}
		mine := filepath.Join(o.Upperdir, f.Path)
		f.Path = path.Join(o.Target, f.Path)
		out = append(out, Override{Override: f, mine: mine, below: below})
	}
	return out, err
}

// layersOf names the layers of an overlay: the last is the image's own.
func layersOf(o report.Overlay, stage int) []override.Layer {
	var out []override.Layer
	for i, dir := range o.Lowerdirs {
		name := fmt.Sprintf("stage %d", stage)
		if i == len(o.Lowerdirs)-1 {
			name = "the image"
		}
		out = append(out, override.Layer{Name: name, Dir: dir})
	}
	return out
}

// pick returns the overrides that paths name: each itself, or all below a directory.
func pick(all []Override, paths []string) ([]Override, error) {
	var out []Override
	for _, p := range paths {
		p, err := filepath.Abs(p)
		if err != nil {
			return nil, err
		}
		found := below(all, p)
		if len(found) == 0 {
			return nil, fmt.Errorf("%s is not overridden: list what is with pkctl override ls", p)
		}
		out = append(out, found...)
	}
	return out, nil
}

// below returns the override of a path, and those below it.
func below(all []Override, p string) []Override {
	var out []Override
	for _, o := range all {
		if paths.Within(o.Path, p) {
			out = append(out, o)
		}
	}
	return out
}

// Revert queues the overrides (the user's changed files) at or below paths for deletion at the next boot, and returns
// them. It fails, and queues none, if a path has no override.
func (d Device) Revert(ctx context.Context, paths []string) ([]Override, error) {
	return d.revert(ctx, func(all []Override) ([]Override, error) { return pick(all, paths) })
}

// RevertAll queues all overrides (the user's changed files) for deletion at the next boot, and returns them.
func (d Device) RevertAll(ctx context.Context) ([]Override, error) {
	return d.revert(ctx, func(all []Override) ([]Override, error) { return all, nil })
}

func (d Device) revert(ctx context.Context, choose func([]Override) ([]Override, error)) (chosen []Override, err error) {
	err = d.changeState(ctx, func() error {
		all, err := d.Overrides()
		if err != nil {
			return err
		}
		if chosen, err = choose(all); err != nil {
			return err
		}
		queue, err := d.queue()
		if err != nil {
			return err
		}
		for i, o := range chosen {
			queue = queue.Add(o.Path)
			chosen[i].Queued = true
		}
		return d.write(override.QueueFile, queue)
	})
	return chosen, err
}

// CancelReverts empties the queue of overrides to revert at the next boot, even if it cannot be read.
func (d Device) CancelReverts(ctx context.Context) error {
	return d.changeState(ctx, func() error { return d.write(override.QueueFile, override.Queue{}) })
}

// Keep marks the overrides (files that the user changed) at or below paths as intended, so that the updates that they
// hide are not reported any more, and returns them. It fails, and marks none, if a path has no override.
func (d Device) Keep(ctx context.Context, paths []string) (kept []Override, err error) {
	err = d.observe(ctx, func(l override.Ledger, all []Override, stage int) (override.Ledger, error) {
		if kept, err = pick(all, paths); err != nil {
			return nil, err
		}
		for i, o := range kept {
			l = l.Keep(o.Override, stage)
			kept[i].Since, kept[i].Hides = stage, 0
		}
		return l, nil
	})
	return kept, err
}

// Scan updates the ledger with the overrides (the user's changed files) of this boot. The ledger tells later when an
// override begins to hide an update.
func (d Device) Scan(ctx context.Context) error {
	return d.observe(ctx, func(l override.Ledger, _ []Override, _ int) (override.Ledger, error) { return l, nil })
}

// observe brings the ledger up to date with the overrides of this boot, and changes it.
func (d Device) observe(ctx context.Context,
	change func(l override.Ledger, all []Override, stage int) (override.Ledger, error)) error {
	return d.changeState(ctx, func() error {
		boot, err := d.BootReport()
		if err != nil {
			return err
		}
		all, err := d.overrides(boot)
		if err != nil {
			return err
		}
		ledger, err := d.ledger()
		if err != nil {
			return err
		}
		var found []override.Override
		for _, o := range all {
			found = append(found, o.Override)
		}
		ledger, err = change(ledger.Observe(found, boot.Choice.Stage), all, boot.Choice.Stage)
		if err != nil {
			return err
		}
		return d.write(override.LedgerFile, ledger)
	})
}
