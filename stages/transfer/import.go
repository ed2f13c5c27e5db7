package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"github.com/opencontainers/go-digest"

	pkimages "github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Importer adds stages from exported files to the stage store, and their images to Docker.
type Importer struct {
	Docker Docker
	Store  string // directory of the stage store
	Space  func(path string) (Space, error)
	Notify func(Event)
}

// Plan is what the import of a file will do: the stage to add and the images to load.
type Plan struct {
	Stage   int      // the stage that has the bundle already; 0: none
	Load    []Needed // images to load
	Record  images.Record
	file    *File
	bundle  Bundle
	lacking map[digest.Digest]bool // chain IDs
	host    docker.Host
}

// Plan verifies an exported file completely and returns what its import will do, without writing anything. It fails if
// there is too little space, the file is for another platform, or image layers are neither in the file nor on the
// device.
func (m Importer) Plan(ctx context.Context, f *File) (p *Plan, err error) {
	p = &Plan{file: f, lacking: map[digest.Digest]bool{}}
	have, err := m.inventory(ctx, f)
	if err != nil {
		return nil, err
	}
	if err := p.compare(have); err != nil {
		return nil, err
	}
	if p.Stage, err = m.sameStage(ctx, f, have); err != nil {
		return nil, err
	}
	if p.Record, err = images.ReadRecord(m.Store); err != nil {
		return nil, err
	}
	p.recordImages()
	if len(f.Index.Images) > 0 {
		if p.host, err = host(ctx, m.Docker); err != nil {
			return nil, err
		}
		p.Record.Root = p.host.Root
	}
	if err := p.checkSpace(m, 0); err != nil { // before the file is read completely
		return nil, err
	}
	if p.bundle, err = f.Verify(ctx, m.Notify); err != nil {
		return nil, err
	}
	return p, p.checkSpace(m, p.bundle.size)
}

// inventory returns the inventory of the device. Without Docker only a stage without images can be imported.
func (m Importer) inventory(ctx context.Context, f *File) (Inventory, error) {
	have, err := TakeInventory(ctx, m.Docker, m.Store)
	switch {
	case errors.Is(err, docker.ErrUnavailable) && len(f.Index.Images) == 0:
		return have, nil
	case errors.Is(err, docker.ErrUnavailable):
		return have, fmt.Errorf("stage has %d container images: %w (install or start Docker: systemctl start docker)",
			len(f.Index.Images), err)
	case err == nil && len(f.Index.Images) > 0 && have.Platform != f.Index.Platform:
		return have, fmt.Errorf("stage is for platform %s, this device has %s", f.Index.Platform, have.Platform)
	}
	return have, err
}

// sameStage returns a stage with the bundle of the file whose names mean the images of the file; 0: none. A stage with other
// images stays as it is, beside the imported one.
func (m Importer) sameStage(ctx context.Context, f *File, have Inventory) (int, error) {
	for _, b := range have.Bundles {
		if b.Digest != f.Index.Bundle {
			continue
		}
		same, err := m.sameImages(ctx, b.Stage, f.Index.Images)
		if err != nil || same {
			return b.Stage, err
		}
	}
	return 0, nil
}

// sameImages reports whether the names of images mean them for a stage, as far as they mean anything.
func (m Importer) sameImages(ctx context.Context, stage int, all []Needed) (bool, error) {
	pins, err := images.ReadPins(filepath.Join(m.Store, strconv.Itoa(stage)))
	if err != nil {
		return false, err
	}
	for _, i := range all {
		for _, name := range i.Names {
			id := i.ID
			if pin, pinned := pins.Find(name); pinned {
				id = pin.ID
			} else if has, err := m.Docker.Image(ctx, name); err == nil {
				id = digest.Digest(has.ID)
			} else if !errors.Is(err, docker.ErrNoImage) {
				return false, err
			}
			if id != i.ID {
				return false, nil
			}
		}
	}
	return true, nil
}

// compare sets which images and layers have to be loaded.
func (p *Plan) compare(have Inventory) error {
	chains := have.chains()
	carried := map[digest.Digest]bool{}
	for _, l := range p.file.Index.Layers {
		carried[l.DiffID] = true
	}
	for _, i := range p.file.Index.Images {
		if have.has(i.ID) {
			continue
		}
		p.Load = append(p.Load, i)
		_, config := p.file.Index.member(configMember(i.ID))
		for n, chain := range i.chains() {
			if chains[chain] {
				continue
			}
			p.lacking[chain] = true
			config = config && carried[i.Layers[n]]
		}
		if !config {
			return fmt.Errorf("image %s is neither on this device nor completely in the file, which was exported for a device with "+
				"more layers: export it again with --for and a new inventory, or without --for", i.Names[0])
		}
	}
	return nil
}

// recordImages adds all images to the record.
func (p *Plan) recordImages() {
	for _, i := range p.file.Index.Images {
		for _, name := range i.Names {
			p.Record = p.Record.With(images.Entry{Name: name, ID: string(i.ID)})
		}
	}
}

// checkSpace returns an error if the bundle or the layers do not fit. Docker writes the layers of an image to a temporary
// directory before it unpacks them.
func (p *Plan) checkSpace(m Importer, bundle int64) error {
	sizes := map[digest.Digest]int64{}
	for _, l := range p.file.Index.Layers {
		sizes[l.DiffID] = l.Size
	}
	var unpacked, largest int64
	counted := map[digest.Digest]bool{}
	for _, i := range p.Load {
		image := int64(0)
		for n, chain := range i.chains() {
			if p.lacking[chain] && !counted[chain] {
				counted[chain] = true
				image += sizes[i.Layers[n]]
			}
		}
		unpacked, largest = unpacked+image, max(largest, image)
	}
	if p.Stage != 0 {
		bundle = 0
	}
	needs := []need{{m.Store, bundle}}
	if len(p.Load) > 0 {
		needs = append(needs, need{p.host.Root, unpacked + largest})
	}
	return checkFree(m.Space, needs...)
}

// Fill writes the bundle of the imported file into the stage store and verifies it once more. It is passed to
// store.Add.
func (p *Plan) Fill(w *store.Writer) error {
	m, _ := p.file.Index.member(bundleMember) // the index has it
	h := digest.SHA256.Hash()
	raw := io.TeeReader(p.file.open(bundleMember), h)
	if _, _, err := readBundle(raw, w); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return err
	}
	if pins := p.Pins(); len(pins.Images) > 0 {
		if err := w.Pins(pins); err != nil {
			return err
		}
	}
	return checkDigest(bundleMember, digest.NewDigest(digest.SHA256, h), m.Digest)
}

// Pins returns which container images, by ID, the names in the imported stage mean.
func (p *Plan) Pins() (pins pkimages.Pins) {
	for _, i := range p.file.Index.Images {
		for _, name := range i.Names {
			pins = pins.With(pkimages.Pin{Name: name, ID: i.ID, Digest: digestOf(name)})
		}
	}
	return pins
}

// Manifest returns the manifest of the bundle.
func (p *Plan) Manifest() []byte { return p.bundle.Manifest }

// WriteRecord adds the imported images to the record in the stage store's directory dir, so that prune can remove them
// later. The store must be locked.
func (p *Plan) WriteRecord(dir string) error {
	record, err := images.ReadRecord(dir)
	if err != nil {
		return err
	}
	record.Root = p.Record.Root
	return record.With(p.Record.Images...).Write(dir)
}
