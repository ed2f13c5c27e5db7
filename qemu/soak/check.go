package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

func (c *Outcome) card() string { return filepath.Join(c.Dir, "card.img") }

// check checks the card of a cut, and removes it unless something is wrong.
func (c *Outcome) check(ctx context.Context, o Options, allowed []int) error {
	find := func(format string, args ...any) { c.Findings = append(c.Findings, fmt.Sprintf(format, args...)) }
	if err := qemu.RecoverCard(c.card()); err != nil {
		find("file systems: %v", err)
	}
	choice, err := selection(c.card(), c.Dir)
	switch c.Stage = choice.Stage; {
	case err != nil:
		find("stage store: %v", err)
	case choice.Problem != "":
		find("stage store: %s", choice.Problem)
	case !slices.Contains(allowed, choice.Stage):
		find("stage %d is selected, want one of %v", choice.Stage, allowed)
	}
	if c.Booted = o.Sample > 0 && c.Number%o.Sample == 0; c.Booted {
		if err := o.Boot(ctx, c.card(), filepath.Join(c.Dir, "boot")); err != nil {
			find("boot: %v", err)
		}
	}
	if len(c.Findings) > 0 && ctx.Err() == nil {
		return nil
	}
	dir := c.Dir
	c.Dir = ""
	return errors.Join(ctx.Err(), os.RemoveAll(dir))
}

// selection returns what pkinit would select on a card whose journal was replayed, and an error if that stage differs from
// what was staged.
func selection(card, dir string) (stages.Choice, error) {
	copied := filepath.Join(dir, path.Base(stages.Dir))
	if err := errors.Join(os.RemoveAll(copied), qemu.CopyDir(card, stages.Dir, dir)); err != nil {
		return stages.Choice{}, err
	}
	files := os.DirFS(copied)
	snapshot, err := stages.Load(files)
	if err != nil {
		return stages.Choice{}, err
	}
	choice := stages.Select(snapshot)
	if choice.Stage == 0 {
		return choice, nil
	}
	differences, err := store.Verify(files, choice.Stage)
	switch {
	case errors.Is(err, store.ErrNoDigests):
		err = nil
	case err == nil && len(differences) > 0:
		err = fmt.Errorf("stage %d: %s", choice.Stage, strings.Join(differences, "; "))
	}
	return choice, errors.Join(err, os.RemoveAll(copied))
}

// stages returns what pkinit selects before and after the recorded boots: the only results that a cut may have.
func (r *Recording) stages(dir string) ([]int, error) {
	var all []int
	for n := 1; ; n++ {
		file := r.boot(n, qemu.BeforeFile)
		_, err := os.Stat(file)
		last := errors.Is(err, os.ErrNotExist)
		if last {
			file = filepath.Join(r.Dir, deviceDir, qemu.CardFile)
		}
		card := filepath.Join(dir, "recorded.img")
		if err := errors.Join(qemu.CopyDisk(file, card), qemu.RecoverCard(card)); err != nil {
			return nil, fmt.Errorf("card of boot %d: %w", n, err)
		}
		choice, err := selection(card, dir)
		if err := errors.Join(err, os.Remove(card)); err != nil {
			return nil, fmt.Errorf("card of boot %d: %w", n, err)
		}
		if all = append(all, choice.Stage); last {
			return all, nil
		}
	}
}
