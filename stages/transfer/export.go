package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/internal/output"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Event reports the progress of an export or import: what is done, and how many bytes of how many.
type Event struct {
	Text        string `json:"text"`
	Done, Total int64  // in bytes; a total of 0: unknown
}

// Exporter writes stages with their container images to files, for import on another device.
type Exporter struct {
	Docker   Docker
	Store    string     // directory of the stage store
	For      *Inventory // of the device that will import the file; nil: it has nothing
	Compress bool
	Space    func(path string) (Space, error) // nil: free space is not checked
	Notify   func(Event)
}

// Exported is the result of an export: the file, its size, and its images and layers.
type Exported struct {
	Stage   int      `json:"stage"`
	File    string   `json:"file"`
	Size    int64    `json:"size"` // in bytes
	Images  []string `json:"images"`
	Layers  int      `json:"layers"`   // in the file
	LeftOut int      `json:"left_out"` // layers that the other device has
	There   int      `json:"there"`    // the other device's stage with the same bundle; 0: none
}

// Export writes a stage with its container images to a new file, which appears under its name when it is complete. It
// fails if the file exists.
func (e Exporter) Export(ctx context.Context, stage int, name string) (Exported, error) {
	out := Exported{Stage: stage, File: name}
	to, err := destination(name)
	if err != nil {
		return out, err
	}
	x, lacking, err := e.plan(ctx, stage)
	if err != nil {
		return out, fmt.Errorf("export stage %d: %w", stage, err)
	}
	if err := e.checkSpace(ctx, stage, name, x, lacking); err != nil {
		return out, fmt.Errorf("export stage %d: %w", stage, err)
	}
	err = to.Write(ctx, func(f *os.File) error {
		a := &archive{ctx: ctx, f: f}
		err := e.write(a, stage, &x, lacking)
		out.Size = a.at + 2*block
		return err
	})
	if err != nil {
		return out, fmt.Errorf("export stage %d to %s: %w", stage, name, err)
	}
	out.Images = []string{}
	for _, i := range x.Images {
		out.Images = append(out.Images, i.Names...)
	}
	out.Layers, out.LeftOut = len(x.Layers), distinct(x.Images)-len(x.Layers)
	if e.For != nil {
		out.There = e.For.stage(x.Bundle)
	}
	return out, nil
}

// destination returns the destination of an export, which must be a file that does not exist.
func destination(name string) (output.Destination, error) {
	to, err := output.Resolve(name)
	if err != nil {
		return to, err
	}
	if err := errors.Join(to.RequireFile("an exported stage"), to.RefuseCompressed()); err != nil {
		return to, err
	}
	if _, err := os.Stat(to.File); err == nil {
		return to, fmt.Errorf("file %s exists: remove it, or choose another name", name)
	}
	return to, nil
}

// distinct returns the number of different layers of images.
func distinct(all []Needed) int {
	seen := map[digest.Digest]bool{}
	for _, i := range all {
		for _, l := range i.Layers {
			seen[l] = true
		}
	}
	return len(seen)
}

// plan returns the index of the file without members, and the layers that the other device lacks.
func (e Exporter) plan(ctx context.Context, stage int) (x Index, wanted map[digest.Digest]bool, err error) {
	x = Index{Version: indexVersion, Images: []Needed{}, Layers: []Layer{}}
	if err := stages.CheckExports(os.DirFS(e.Store), stage); err != nil {
		return x, nil, err
	}
	sum, err := store.Digest(os.DirFS(e.Store), stage)
	if err != nil {
		return x, nil, err
	}
	x.Bundle = digest.Digest(sum)
	m, err := store.ReadManifest(os.DirFS(filepath.Join(e.Store, strconv.Itoa(stage))))
	if err != nil {
		return x, nil, err
	}
	x.Pallet, x.Release = m.Pallet.Path, m.Pallet.Version
	names, err := images.OfStage(ctx, e.Store, stage)
	if err != nil || len(names) == 0 {
		return x, nil, err
	}
	h, err := host(ctx, e.Docker)
	if err != nil {
		return x, nil, fmt.Errorf("the stage needs %d container images: %w", len(names), err)
	}
	x.Platform = h.Platform
	if e.For != nil && e.For.Platform != "" && e.For.Platform != h.Platform {
		return x, nil, fmt.Errorf("inventory is of a device with platform %s, this one has %s", e.For.Platform, h.Platform)
	}
	if x.Images, err = e.images(ctx, stage, names); err != nil {
		return x, nil, err
	}
	has := map[digest.Digest]bool{}
	if e.For != nil {
		has = e.For.chains()
	}
	wanted = map[digest.Digest]bool{}
	for _, i := range x.Images {
		for _, l := range lacking(i.Image, has) {
			wanted[l] = true
		}
	}
	return x, wanted, nil
}

// images returns the images that names mean for a stage, sorted by ID.
func (e Exporter) images(ctx context.Context, stage int, names []string) ([]Needed, error) {
	record, err := images.ReadRecord(e.Store)
	if err != nil {
		return nil, err
	}
	pins, err := images.ReadPins(filepath.Join(e.Store, strconv.Itoa(stage)))
	if err != nil {
		return nil, err
	}
	found := map[digest.Digest]*Needed{}
	for _, name := range names {
		i, err := images.Find(ctx, e.Docker, record, pins, name)
		if errors.Is(err, docker.ErrNoImage) {
			return nil, fmt.Errorf("image %s is not on this device; fetch it with pkctl stage set-next", name)
		}
		if err != nil {
			return nil, err
		}
		n := found[digest.Digest(i.ID)]
		if n == nil {
			n = &Needed{Image: imageOf(i)}
			found[n.ID] = n
		}
		n.Names = append(n.Names, name)
	}
	var out []Needed
	for _, id := range slices.Sorted(maps.Keys(found)) {
		out = append(out, *found[id])
	}
	return out, nil
}

func (e Exporter) write(a *archive, stage int, x *Index, wanted map[digest.Digest]bool) error {
	e.Notify(Event{Text: "writing the bundle"})
	c, err := a.begin()
	if err != nil {
		return err
	}
	if err := writeBundle(c, e.Store, stage); err != nil {
		return err
	}
	if err := c.end(bundleMember); err != nil {
		return err
	}
	manifest := []loadEntry{}
	for n, i := range x.Images {
		l := loadEntry{Config: configMember(i.ID), RepoTags: []string{}}
		if e.For == nil || !e.For.has(i.ID) {
			e.Notify(Event{Text: fmt.Sprintf("writing image %d of %d: %s", n+1, len(x.Images), i.Names[0])})
			if err := e.save(a, i, x, wanted); err != nil {
				return fmt.Errorf("image %s: %w", i.Names[0], err)
			}
		}
		for _, name := range i.Names {
			if t := tag(name); t != "" {
				l.RepoTags = append(l.RepoTags, t)
			}
		}
		for _, d := range i.Layers {
			l.Layers = append(l.Layers, e.member(d))
		}
		manifest = append(manifest, l)
	}
	if err := a.addJSON(manifestMember, manifest); err != nil {
		return err
	}
	x.Members = a.members
	if err := a.addJSON(indexMember, x); err != nil {
		return err
	}
	return a.finish()
}

// member returns the name of the member for a layer.
func (e Exporter) member(d digest.Digest) string {
	if e.Compress {
		return layerMember(d, zstdSuffix)
	}
	return layerMember(d, tarSuffix)
}
