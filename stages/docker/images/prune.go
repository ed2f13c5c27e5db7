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

// ids returns the IDs of needed images: of the pinned ones, and of imported ones that are needed by name.
func (n Needed) ids(r Record) map[string]bool {
	ids := map[string]bool{}
	for _, pin := range n.Pins {
		ids[string(pin.ID)] = true
	}
	for _, name := range n.Names {
		ids[r.id(name)] = true
	}
	delete(ids, "")
	return ids
}

// Unneeded returns the images of a record that are neither pinned nor needed by name.
func (r Record) Unneeded(n Needed) []Entry {
	keys := map[string]bool{}
	for _, name := range n.Names {
		keys[key(name)] = true
	}
	for _, pin := range n.Pins {
		keys[key(pin.Name)+" "+string(pin.ID)] = true
	}
	return slices.DeleteFunc(slices.Clone(r.Images), func(k Entry) bool {
		return keys[key(k.Name)] || keys[key(k.Name)+" "+k.ID]
	})
}

// Prune removes from Docker the images of a record that are not needed, and unneeded KeepTags. It keeps images that
// containers use, names that the user gave to images, and names that now mean a needed image. The caller must write the
// returned record, even after an error.
func Prune(ctx context.Context, d Docker, r Record, n Needed) (Pruned, error) {
	p := pruner{Docker: d, names: n.Names, ids: n.ids(r)}
	out := Pruned{Record: r}
	for _, k := range r.Unneeded(n) {
		state, err := p.prune(ctx, k)
		if err != nil {
			return out, fmt.Errorf("remove image %s: %w", k.Name, err)
		}
		switch state {
		case used:
			out.Kept = append(out.Kept, fmt.Sprintf("image %s is kept: a container uses it", k.Name))
			continue
		case shared:
			continue
		case removed:
			out.Removed = append(out.Removed, k.Name)
		}
		out.Record.Images = slices.DeleteFunc(slices.Clone(out.Record.Images), func(old Entry) bool {
			return old.Name == k.Name && old.ID == k.ID
		})
	}
	return out, p.removeKeepTags(ctx)
}

// pruner removes images that are not needed.
type pruner struct {
	Docker
	names []string        // that are needed
	ids   map[string]bool // that are needed
}

// outcome is what became of an unneeded entry of a record.
type outcome int

// The outcomes.
const (
	gone    outcome = iota // the image was removed before
	removed                // at least one name of the image was removed
	used                   // a container uses the image
	shared                 // the name means an image that a stage needs
)

// prune removes the names that stages gave an image, and the image if it has no other names and is not needed.
func (p pruner) prune(ctx context.Context, k Entry) (outcome, error) {
	names := []string{k.Tag, k.Name} // an image that a container uses keeps its last name
	if k.ID != "" && !p.ids[k.ID] {
		names = []string{KeepTag(k.ID), k.Tag, k.Name, k.ID}
	}
	state := gone
	for _, name := range names {
		image, err := p.Image(ctx, name)
		switch {
		case name == "" || errors.Is(err, docker.ErrNoImage):
			continue
		case err != nil:
			return state, err
		case k.ID != "" && image.ID != k.ID, slices.Contains(p.names, name):
			continue // the name means another image, or is needed
		case k.ID == "" && p.ids[image.ID]:
			state = shared
			continue
		case name == k.ID && len(image.RepoTags)+len(image.RepoDigests) > 0:
			continue // the user gave it a name
		}
		err = p.Remove(ctx, name)
		if err != nil && inUse(err) {
			return used, nil
		}
		if err != nil {
			return state, err
		}
		state = removed
	}
	return state, nil
}

// removeKeepTags removes the KeepTags of images that are not needed, such as those of a command that was interrupted.
func (p pruner) removeKeepTags(ctx context.Context) error {
	all, err := p.Images(ctx)
	for _, image := range all {
		if p.ids[image.ID] || !slices.Contains(image.RepoTags, KeepTag(image.ID)) {
			continue
		}
		if e := p.Remove(ctx, KeepTag(image.ID)); e != nil && !inUse(e) {
			err = errors.Join(err, fmt.Errorf("remove image %s: %w", KeepTag(image.ID), e))
		}
	}
	return err
}

// Keep gives the KeepTag to each needed image that has a pin but not the tag: the tag was removed, or the image came with
// the disk image. It skips images that Docker does not have.
func Keep(ctx context.Context, d Docker, n Needed) error {
	ids := n.ids(Record{})
	all, err := d.Images(ctx)
	for _, image := range all {
		if ids[image.ID] {
			err = errors.Join(err, keep(ctx, d, image))
		}
	}
	return err
}

// inUse reports whether Docker refused a removal because of a container.
func inUse(err error) bool {
	return strings.Contains(err.Error(), "conflict") && strings.Contains(err.Error(), "container")
}
