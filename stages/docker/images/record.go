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

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// File is the name of the record in the stage store.
const File = "images.json"

// recordVersion is the version of the record's format.
const recordVersion = 1

// Record lists the container images that removed stages needed or that were imported, so that prune removes only these.
// Whoever changes it must hold the lock of the stage store.
type Record struct {
	Version int     `json:"version"`
	Root    string  `json:"docker_root,omitempty"` // Docker's data directory, once images were imported
	Images  []Entry `json:"images"`                // sorted by name and ID, each once
}

// Entry is a container image in a Record: its name, its ID if the image was pinned or imported from a file, and the tag that
// an import gave it.
type Entry struct {
	Name string `json:"name"`          // in full
	ID   string `json:"id,omitempty"`  // of a pinned or imported image
	Tag  string `json:"tag,omitempty"` // that an imported image got besides its name with a digest
}

// ReadRecord reads the record of images from a stage store's directory; an empty record if there is no file.
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

// Write durably replaces the file of the record in the stage store's directory.
func (r Record) Write(store string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(store, File), append(data, '\n'), 0o644)
}

// With returns the record with more images. For an image that it has already, empty fields in more do not replace recorded
// ones. A name with another ID is another image.
func (r Record) With(more ...Entry) Record {
	all := slices.Clone(r.Images)
	for _, k := range more {
		i := slices.IndexFunc(all, func(old Entry) bool {
			return old.Name == k.Name && (old.ID == k.ID || old.ID == "" || k.ID == "")
		})
		if i < 0 {
			all = append(all, k)
			continue
		}
		all[i].ID, all[i].Tag = cmp.Or(k.ID, all[i].ID), cmp.Or(k.Tag, all[i].Tag)
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	r.Images = all
	return r
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

// OfStage returns the sorted full names of the container images that the apps of a stage need.
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

// Needed is the container images that some stages need, by name and pinned ID.
type Needed struct {
	Pins  []images.Pin
	Names []string // in full, of images without pins
}

// Needs returns the container images that stages need. If some stages cannot be read, it returns what the others need
// and an error.
func Needs(ctx context.Context, store string, all []int) (n Needed, err error) {
	for _, stage := range all {
		names, e := OfStage(ctx, store, stage)
		pins, unreadable := ReadPins(filepath.Join(store, strconv.Itoa(stage)))
		err = errors.Join(err, e, unreadable)
		n.Pins = append(n.Pins, pins.Images...)
		for _, name := range names {
			if _, pinned := pins.Find(name); !pinned {
				n.Names = append(n.Names, name)
			}
		}
	}
	return n, err
}

// Entries returns the needed images as entries of a Record.
func (n Needed) Entries() (out []Entry) {
	for _, pin := range n.Pins {
		out = append(out, Entry{Name: pin.Name, ID: string(pin.ID)})
	}
	for _, name := range n.Names {
		out = append(out, Entry{Name: name})
	}
	return out
}

// Pins returns the image ID of the entry as a pin; none if the entry has no ID.
func (k Entry) Pins() images.Pins {
	if k.ID == "" {
		return images.Pins{}
	}
	return images.Pins{Images: []images.Pin{{Name: k.Name, ID: digest.Digest(k.ID)}}}
}
