package transfer

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/images"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Importer brings a stage from a file to a device.
type Importer struct {
	Docker Docker
	Store  string // directory of the stage store
	Space  func(path string) (Space, error)
	Say    func(Event)
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
	if p.bundle, err = f.Verify(ctx, m.Say); err != nil {
		return nil, err
	}
	return p, p.checkSpace(m, p.bundle.size)
}

// inventory is what the device has. Without Docker only a stage without images can be imported.
func (m Importer) inventory(ctx context.Context, f *File) (Inventory, error) {
	have, err := TakeInventory(ctx, m.Docker, m.Store)
	switch {
	case errors.Is(err, docker.ErrNone) && len(f.Index.Images) == 0:
		return have, nil
	case errors.Is(err, docker.ErrNone):
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
			k := images.Known{Name: name}
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

// LoadImages brings the images that are missing to Docker, and tells it their names. Before, the record must be written.
func (m Importer) LoadImages(ctx context.Context, p *Plan) error {
	missing := map[digest.Digest]bool{}
	for n, i := range p.Load {
		m.Say(Event{Text: fmt.Sprintf("loading image %d of %d: %s", n+1, len(p.Load), i.Names[0])})
		if err := m.load(ctx, p, i); err != nil {
			return fmt.Errorf("load image %s: %w", i.Names[0], err)
		}
		missing[i.ID] = true
	}
	for _, i := range p.file.Index.Images {
		if err := m.tag(ctx, i); err != nil {
			return fmt.Errorf("image %s: %w", i.Names[0], err)
		}
	}
	return nil
}

// load has Docker load an image. Of the layers those are sent that it lacks.
func (m Importer) load(ctx context.Context, p *Plan, i Needed) error {
	r, w := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := p.send(ctx, w, i)
		sent <- err
		_ = w.CloseWithError(err) // which never fails
	}()
	err := m.Docker.Load(ctx, r)
	_ = r.CloseWithError(io.ErrClosedPipe) // which never fails, and ends what still writes
	if sending := <-sent; sending != nil && !errors.Is(sending, io.ErrClosedPipe) {
		return sending
	}
	if err != nil {
		return err
	}
	for _, chain := range i.chains() {
		delete(p.lacking, chain)
	}
	_, err = m.Docker.Image(ctx, string(i.ID))
	return err
}

// send writes an image in Docker's format.
func (p *Plan) send(ctx context.Context, to io.Writer, i Needed) error {
	w := tar.NewWriter(to)
	config, err := p.file.small(configMember(i.ID), maxConfig)
	if err != nil {
		return err
	}
	if err := sendSmall(w, "config.json", config); err != nil {
		return err
	}
	item := loaded{Config: "config.json", RepoTags: []string{}, Layers: []string{}}
	sent := map[digest.Digest]bool{}
	for n, chain := range i.chains() {
		diff := i.Layers[n]
		item.Layers = append(item.Layers, diff.Encoded()+tarSuffix)
		if !p.lacking[chain] || sent[diff] {
			continue
		}
		sent[diff] = true
		if err := p.sendLayer(ctx, w, diff); err != nil {
			return err
		}
	}
	manifest, err := json.Marshal([]loaded{item})
	if err != nil {
		return err
	}
	if err := sendSmall(w, manifestMember, manifest); err != nil {
		return err
	}
	return w.Close()
}

func sendSmall(w *tar.Writer, name string, data []byte) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

// sendLayer writes a layer without compression. That it is still what was verified, Docker checks, by its diff ID.
func (p *Plan) sendLayer(ctx context.Context, w *tar.Writer, diff digest.Digest) error {
	for _, l := range p.file.Index.Layers {
		if l.DiffID != diff {
			continue
		}
		content, end, err := opened(canceled{ctx, p.file.open(l.Member)}, l)
		if err != nil {
			return err
		}
		defer end()
		h := &tar.Header{Name: diff.Encoded() + tarSuffix, Mode: 0o644, Size: l.Size}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err = io.CopyN(w, content, l.Size)
		return err
	}
	return fmt.Errorf("layer %s is not in the file", diff)
}

// tag gives an image the names that it lacks. One with a digest is known to Docker by a tag of our own until it is linked:
// see images.Link. Another one is taken from the image that has it, as by docker pull.
func (m Importer) tag(ctx context.Context, i Needed) error {
	for _, name := range i.Names {
		if pinned(name) {
			if _, err := m.Docker.Image(ctx, name); err == nil {
				continue // it was pulled
			}
			name = ownTag(name, i.ID)
		}
		has, err := m.Docker.Image(ctx, name)
		switch {
		case err == nil && has.ID == string(i.ID):
			continue
		case err == nil:
			m.Say(Event{Text: fmt.Sprintf("%s was the image %s", name, has.ID)})
		case !errors.Is(err, docker.ErrNoImage):
			return err
		}
		if err := m.Docker.Tag(ctx, string(i.ID), name); err != nil {
			return err
		}
	}
	return nil
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
