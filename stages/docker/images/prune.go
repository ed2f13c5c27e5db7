package images

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages/docker"
)

// Pruned lists the images that Prune removed and why others were kept, and has the new record.
type Pruned struct {
	Removed []string // names of removed images
	Kept    []string // a sentence for each unneeded image that was kept
	Record  Record   // to be written
}

// Unneeded returns the recorded images whose names are not in needed.
func (r Record) Unneeded(needed []string) []Entry {
	keys := map[string]bool{}
	for _, name := range needed {
		keys[key(name)] = true
	}
	return slices.DeleteFunc(slices.Clone(r.Images), func(k Entry) bool { return keys[key(k.Name)] })
}

// Prune removes the recorded images that are not needed, except those that containers use and names that the user gave
// to images. The caller must write the record in the result, even after an error.
func Prune(ctx context.Context, d Docker, r Record, needed []string) (Pruned, error) {
	out := Pruned{Record: r}
	ids := map[string]bool{}
	for _, name := range needed {
		ids[r.id(name)] = true
	}
	for _, k := range r.Unneeded(needed) {
		gone, err := remove(ctx, d, removals(ctx, d, k, needed, ids[k.ID]))
		if err != nil && !inUse(err) {
			return out, fmt.Errorf("remove image %s: %w", k.Name, err)
		}
		if err != nil {
			out.Kept = append(out.Kept, fmt.Sprintf("image %s is kept: a container uses it", k.Name))
			continue
		}
		if gone {
			out.Removed = append(out.Removed, k.Name)
		}
		out.Record.Images = slices.DeleteFunc(slices.Clone(out.Record.Images), func(old Entry) bool { return old.Name == k.Name })
	}
	return out, nil
}

// removals returns the names of an image that stages gave it, and its ID if it has no other name and no needed image is the
// same.
func removals(ctx context.Context, d Docker, k Entry, needed []string, needsID bool) []string {
	names := []string{k.Name}
	if k.Tag != "" && !slices.Contains(needed, k.Tag) {
		if image, err := d.Image(ctx, k.Tag); err == nil && image.ID == k.ID {
			names = append(names, k.Tag)
		}
	}
	if k.ID != "" && !needsID {
		if image, err := d.Image(ctx, k.ID); err == nil && len(image.RepoTags)+len(image.RepoDigests) == 0 {
			names = append(names, k.ID)
		}
	}
	return names
}

// remove removes names of an image, and reports whether it had one of them.
func remove(ctx context.Context, d Docker, names []string) (gone bool, err error) {
	for _, name := range names {
		_, err := d.Image(ctx, name)
		if errors.Is(err, docker.ErrNoImage) {
			continue // removed with another name
		}
		if err != nil {
			return gone, err
		}
		if err := d.Remove(ctx, name); err != nil {
			return gone, err
		}
		gone = true
	}
	return gone, nil
}

// inUse reports whether Docker refused a removal because of a container.
func inUse(err error) bool {
	return strings.Contains(err.Error(), "conflict") && strings.Contains(err.Error(), "container")
}
