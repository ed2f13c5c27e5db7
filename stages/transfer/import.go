package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Importer brings a stage from a file to a device.
type Importer struct {
	Docker Docker
	Store  string // directory of the stage store
	Space  func(path string) (Space, error)
	Notify func(Event)
}

// Plan is what is to be done to import a file.
type Plan struct {
	Stage   int      // that has the bundle already; 0: none
	Load    []Needed // images that are not there
	Record  images.Record
	file    *File
	bundle  Bundle
	lacking map[digest.Digest]bool // chain IDs
	host    docker.Host
}

// Plan verifies a file completely and says what is to be done; nothing is written yet. Too little space, a file for
// another machine, and layers that are nowhere are errors.
func (m Importer) Plan(ctx context.Context, f *File) (p *Plan, err error) {
	p = &Plan{file: f, lacking: map[digest.Digest]bool{}}
	have, err := m.inventory(ctx, f)
	if err != nil {
		return nil, err
	}
	if err := p.compare(have); err != nil {
		return nil, err
	}
	if p.Record, err = images.ReadRecord(m.Store); err != nil {
		return nil, err
	}
	p.note()
	if len(f.Index.Images) > 0 {
		if p.host, err = host(ctx, m.Docker); err != nil {
			return nil, err
		}
		p.Record.Root = p.host.Root
	}
	if err := p.checkSpace(m, 0); err != nil { // before all of it is read
		return nil, err
	}
	if p.bundle, err = f.Verify(ctx, m.Notify); err != nil {
		return nil, err
	}
	return p, p.checkSpace(m, p.bundle.size)
}

// inventory is what the device has. Without Docker only a stage without images can be imported.
func (m Importer) inventory(ctx context.Context, f *File) (Inventory, error) {
	have, err := TakeInventory(ctx, m.Docker, m.Store)
	switch {
	case errors.Is(err, docker.ErrUnavailable) && len(f.Index.Images) == 0:
		return have, nil
	case errors.Is(err, docker.ErrUnavailable):
		return have, fmt.Errorf("the stage has %d container images: %w (install or start Docker: systemctl start docker)",
			len(f.Index.Images), err)
	case err == nil && len(f.Index.Images) > 0 && have.Platform != f.Index.Platform:
		return have, fmt.Errorf("the stage is for %s, this device is %s", f.Index.Platform, have.Platform)
	}
	return have, err
}

// compare finds out what is missing, here and in the file.
func (p *Plan) compare(have Inventory) error {
	p.Stage = have.stage(p.file.Index.Bundle)
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
			return fmt.Errorf("image %s is neither on this device nor wholly in the file, which was made for a device that has "+
				"more: export it again with --for and a new inventory, or without", i.Names[0])
		}
	}
	return nil
}

// note enters in the record all images, with the tags that they get besides.
func (p *Plan) note() {
	for _, i := range p.file.Index.Images {
		for _, name := range i.Names {
			k := images.Entry{Name: name}
			if pinned(name) {
				k.ID, k.Tag = string(i.ID), ownTag(name, i.ID)
			}
			p.Record = p.Record.With(k)
		}
	}
}

// checkSpace looks whether there is room for the bundle, and for the layers: Docker writes those of one image to a
// temporary directory of its own before it unpacks them.
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
	return enough(m.Space, needs...)
}

// Fill fills the bundle, once more verified. It is for store.Add.
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
	return damaged(bundleMember, digest.NewDigest(digest.SHA256, h), m.Digest)
}

// Manifest is that of the bundle.
func (p *Plan) Manifest() []byte { return p.bundle.Manifest }

// WriteRecord writes which images there will be, so that they are not taken for the user's own. Whoever calls it has
// locked the store.
func (p *Plan) WriteRecord(dir string) error {
	record, err := images.ReadRecord(dir)
	if err != nil {
		return err
	}
	record.Root = p.Record.Root
	return record.With(p.Record.Images...).Write(dir)
}
