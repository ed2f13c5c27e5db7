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

// File is the record's name, beside the stages.
const File = "images.json"

// recordVersion is the version of its format.
const recordVersion = 1

// Record is which images stages needed that are gone, or that came in a file. Whoever changes it has locked the store.
type Record struct {
	Version int     `json:"version"`
	Root    string  `json:"docker_root,omitempty"` // the directory of Docker's data, once images came in a file
	Images  []Known `json:"images"`                // sorted by name, each once
}

// Known is an image that a stage needs or needed.
type Known struct {
	Name string `json:"name"`          // in full
	ID   string `json:"id,omitempty"`  // of an image that came in a file
	Tag  string `json:"tag,omitempty"` // by which Docker was told to know it, besides its name with a digest
}

// ReadRecord reads the record of a store; there may be none.
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
	const wayOut = "delete it, and the images that it names stay for good"
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("parse %s: %w (%s)", name, err, wayOut)
	}
	if r.Version != recordVersion {
		return r, fmt.Errorf("parse %s: version is %d, want %d (%s)", name, r.Version, recordVersion, wayOut)
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

// With is the record with further images. What is known of one stays where nothing else is said of it.
func (r Record) With(more ...Known) Record {
	all := slices.Clone(r.Images)
	for _, k := range more {
		i := slices.IndexFunc(all, func(old Known) bool { return old.Name == k.Name })
		if i < 0 {
			all = append(all, k)
			continue
		}
		all[i].ID, all[i].Tag = cmp.Or(k.ID, all[i].ID), cmp.Or(k.Tag, all[i].Tag)
	}
	slices.SortFunc(all, func(a, b Known) int { return cmp.Compare(a.Name, b.Name) })
	r.Images = all
	return r
}

// WithNames is the record with the images of some names.
func (r Record) WithNames(names []string) Record {
	var more []Known
	for _, name := range names {
		more = append(more, Known{Name: name})
	}
	return r.With(more...)
}

// id is the ID of an image that came in a file; empty where none of the name did.
func (r Record) id(name string) string {
	for _, k := range r.Images {
		if k.Name == name {
			return k.ID
		}
	}
	return ""
}

// Of are the images that a stage needs, in full, sorted.
func Of(ctx context.Context, store string, stage int) ([]string, error) {
	_, p, err := pallet.ReadBundle(ctx, filepath.Join(store, strconv.Itoa(stage)))
	if err != nil {
		return nil, fmt.Errorf("which images stage %d needs: %w", stage, err)
	}
	names, err := p.FullImages(ctx)
	if err != nil {
		return nil, fmt.Errorf("which images stage %d needs: %w", stage, err)
	}
	return names, nil
}

// OfAll are the images that some stages need, in full, sorted. Of those that cannot be read the error tells, and the
// images of the others are there nevertheless.
func OfAll(ctx context.Context, store string, all []int) (names []string, err error) {
	for _, n := range all {
		more, e := Of(ctx, store, n)
		names, err = append(names, more...), errors.Join(err, e)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}
