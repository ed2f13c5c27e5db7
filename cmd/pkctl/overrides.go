package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// changedFile is what there is to say of a file that the device's user changed.
type changedFile struct {
	override.Override        // its path is the one on the device
	Since             int    `json:"since"`           // the stage that ran when it was first seen; 0 for none
	Hides             int    `json:"hides,omitempty"` // the stage since which it hides an update
	Queued            bool   `json:"queued"`          // it is reverted at the next boot
	mine, below       string // where the user's file and the one that it hides lie; "" for none
}

// overrides lists the user's changes in all overlays of this boot.
func (d *device) overrides() ([]changedFile, report.Boot, error) {
	boot, err := d.report()
	if err != nil {
		return nil, boot, err
	}
	ledger, err := d.ledger()
	if err != nil {
		return nil, boot, err
	}
	queue, err := d.queue()
	if err != nil {
		return nil, boot, err
	}
	all := []changedFile{}
	for _, o := range boot.Overlays {
		found, err := inOverlay(o, boot.Choice.Stage)
		if err != nil {
			return nil, boot, err
		}
		all = append(all, found...)
	}
	for i, o := range all {
		seen, known := ledger[o.Path]
		all[i].Since, all[i].Hides = seen.Stage, seen.Hides
		if !known {
			all[i].Since = boot.Choice.Stage
		}
		all[i].Queued = slices.ContainsFunc(queue, func(p string) bool { return o.Path == p || strings.HasPrefix(o.Path, p+"/") })
	}
	return all, boot, nil
}

// inOverlay lists the user's changes in one overlay.
func inOverlay(o report.Overlay, stage int) ([]changedFile, error) {
	layers := layersOf(o, stage)
	found, err := override.Overrides(o.Upperdir, layers)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w (use sudo)", err)
	}
	var out []changedFile
	for _, f := range found {
		below, _, err := override.Lookup(layers, f.Path)
		if err != nil {
			return nil, err
		}
		mine := filepath.Join(o.Upperdir, f.Path)
		f.Path = path.Join(o.Target, f.Path)
		out = append(out, changedFile{Override: f, mine: mine, below: below})
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

func (d *device) ledger() (override.Ledger, error) {
	data, err := os.ReadFile(filepath.Join(d.state, override.LedgerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return override.Ledger{}, nil
	}
	if err != nil {
		return nil, err
	}
	return override.ParseLedger(data)
}

func (d *device) setLedger(l override.Ledger) error {
	data, err := l.Marshal()
	if err != nil {
		return err
	}
	return explain(atomicfile.Write(filepath.Join(d.state, override.LedgerFile), data, 0o644))
}

func (d *device) queue() (override.Queue, error) {
	data, err := os.ReadFile(filepath.Join(d.state, override.QueueFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return override.ParseQueue(data)
}

func (d *device) setQueue(q override.Queue) error {
	data, err := q.Marshal()
	if err != nil {
		return err
	}
	return explain(atomicfile.Write(filepath.Join(d.state, override.QueueFile), data, 0o644))
}

// pick finds the overrides that paths name: each itself, or all below a directory.
func pick(all []changedFile, paths []string) ([]changedFile, error) {
	var out []changedFile
	for _, p := range paths {
		p, err := filepath.Abs(p)
		if err != nil {
			return nil, err
		}
		before := len(out)
		for _, o := range all {
			if o.Path == p || strings.HasPrefix(o.Path, p+"/") {
				out = append(out, o)
			}
		}
		if len(out) == before {
			return nil, fmt.Errorf("%s is not overridden", p)
		}
	}
	return out, nil
}

// picked are the overrides that paths name.
func (d *device) picked(paths []string) ([]changedFile, error) {
	all, _, err := d.overrides()
	if err != nil {
		return nil, err
	}
	return pick(all, paths)
}

func bare(all []changedFile) []override.Override {
	var out []override.Override
	for _, o := range all {
		out = append(out, o.Override)
	}
	return out
}
