package images

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// File is the name of the record in the stage store.
const File = "images.json"

// recordVersion is the version of the record's format.
const recordVersion = 1

// Record lists the images that stages needed, including removed stages, and those that were imported. The store must be
// locked by whoever changes it.
type Record struct {
	Version int     `json:"version"`
	Root    string  `json:"docker_root,omitempty"` // Docker's data directory, once images were imported
	Images  []Entry `json:"images"`                // sorted by name, each once
}

// Entry is an image in a record.
type Entry struct {
	Name string `json:"name"`          // in full
	ID   string `json:"id,omitempty"`  // of an imported image
	Tag  string `json:"tag,omitempty"` // that an imported image got besides its name with a digest
}

// ReadRecord reads the record of a store: an empty one if there is none.
func ReadRecord(store string) (Record, error) {
	r := Record{Version: recordVersion}
	name := filepath.Join(store, File)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	const hint = "delete the file: the images in it are then never removed"
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("parse %s: %w (%s)", name, err, hint)
	}
	if r.Version != recordVersion {
		return r, fmt.Errorf("parse %s: version is %d, want %d (%s)", name, r.Version, recordVersion, hint)
	}
	return r, nil
}

// Write replaces the record of a store.
func (r Record) Write(store string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(store, File), append(data, '\n'), 0o644)
}

// With returns the record with further images. Empty fields of an image do not replace recorded ones.
func (r Record) With(more ...Entry) Record {
	all := slices.Clone(r.Images)
	for _, k := range more {
		i := slices.IndexFunc(all, func(old Entry) bool { return old.Name == k.Name })
		if i < 0 {
			all = append(all, k)
			continue
		}
		all[i].ID, all[i].Tag = cmp.Or(k.ID, all[i].ID), cmp.Or(k.Tag, all[i].Tag)
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	r.Images = all
	return r
}

// WithNames returns the record with further images, by their names.
func (r Record) WithNames(names []string) Record {
	var more []Entry
	for _, name := range names {
		more = append(more, Entry{Name: name})
	}
	return r.With(more...)
}

// id returns the ID of an imported image; empty: no image of that name was imported.
func (r Record) id(name string) string {
	for _, k := range r.Images {
		if k.Name == name {
			return k.ID
		}
	}
	return ""
}

// OfStage returns the full names of the images that a stage needs, sorted.
func OfStage(ctx context.Context, store string, stage int) ([]string, error) {
	_, p, err := pallet.ReadBundle(ctx, filepath.Join(store, strconv.Itoa(stage)))
	if err != nil {
		return nil, fmt.Errorf("list the images of stage %d: %w", stage, err)
	}
	names, err := p.FullImages(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the images of stage %d: %w", stage, err)
	}
	return names, nil
}

// OfStages returns the full names of the images that stages need, sorted. If stages cannot be read, it returns the images of
// the others and an error.
func OfStages(ctx context.Context, store string, all []int) (names []string, err error) {
	for _, n := range all {
		more, e := OfStage(ctx, store, n)
		names, err = append(names, more...), errors.Join(err, e)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}
