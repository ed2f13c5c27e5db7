package images

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages/docker"
)

// Pruned is what became of the images that no stage needs any more.
type Pruned struct {
	Removed []string // their names
	Kept    []string // why others stay, each a sentence
	Record  Record   // what is to be written
}

// Unneeded are the images of a record that are not among those that are needed.
func (r Record) Unneeded(needed []string) []Known {
	keys := map[string]bool{}
	for _, name := range needed {
		keys[key(name)] = true
	}
	return slices.DeleteFunc(slices.Clone(r.Images), func(k Known) bool { return keys[key(k.Name)] })
}

// Prune removes the images of a record that are not among those that are needed. One that a container uses stays, and
// so does one under other names, which the user gave it. Whatever becomes of it, the record that it returns is to be
// written.
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
			out.Kept = append(out.Kept, fmt.Sprintf("image %s stays: a container uses it", k.Name))
			continue
		}
		if gone {
			out.Removed = append(out.Removed, k.Name)
		}
		out.Record.Images = slices.DeleteFunc(slices.Clone(out.Record.Images), func(old Known) bool { return old.Name == k.Name })
	}
	return out, nil
}

// removals are the names that an image has for a stage's sake. Where it has no other one, and nothing that is needed is
// the same image, that is its ID, too.
func removals(ctx context.Context, d Docker, k Known, needed []string, needsID bool) []string {
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

// remove takes names from an image, and reports whether it had one of them.
func remove(ctx context.Context, d Docker, names []string) (gone bool, err error) {
	for _, name := range names {
		_, err := d.Image(ctx, name)
		if errors.Is(err, docker.ErrNoImage) {
			continue // it went with another one
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

// inUse tells whether Docker keeps an image since a container was made from it.
func inUse(err error) bool {
	return strings.Contains(err.Error(), "conflict") && strings.Contains(err.Error(), "container")
}
