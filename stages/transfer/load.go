package transfer

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/internal/ctxio"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
)

// LoadImages loads the images that Docker lacks, names them, and syncs Docker's store, so that a power cut cannot leave
// a stage with damaged images. Plan.WriteRecord must be called before.
func (m Importer) LoadImages(ctx context.Context, p *Plan) error {
	for n, i := range p.Load {
		m.Notify(Event{Text: fmt.Sprintf("loading image %d of %d: %s", n+1, len(p.Load), i.Names[0])})
		if err := m.load(ctx, p, i); err != nil {
			return fmt.Errorf("load image %s: %w", i.Names[0], err)
		}
	}
	for _, i := range p.file.Index.Images {
		if err := m.tag(ctx, i); err != nil {
			return fmt.Errorf("image %s: %w", i.Names[0], err)
		}
	}
	if len(p.file.Index.Images) == 0 {
		return nil
	}
	return m.Docker.Sync(p.host.Root)
}

// load loads an image with the layers that Docker lacks.
func (m Importer) load(ctx context.Context, p *Plan, i Needed) error {
	r, w := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := p.send(ctx, w, i)
		sent <- err
		_ = w.CloseWithError(err) // never fails
	}()
	err := m.Docker.Load(ctx, r)
	_ = r.CloseWithError(io.ErrClosedPipe) // never fails, and ends send
	if sendErr := <-sent; sendErr != nil && !errors.Is(sendErr, io.ErrClosedPipe) {
		return sendErr
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
	item := loadEntry{Config: "config.json", RepoTags: []string{}, Layers: []string{}}
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
	manifest, err := json.Marshal([]loadEntry{item})
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

// sendLayer writes an uncompressed layer. Docker verifies it again by its diff ID.
func (p *Plan) sendLayer(ctx context.Context, w *tar.Writer, diff digest.Digest) error {
	for _, l := range p.file.Index.Layers {
		if l.DiffID != diff {
			continue
		}
		content, end, err := decompressed(ctxio.Reader(ctx, p.file.open(l.Member)), l)
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

// tag gives an image its images.KeepTag, and the tags in its names that no other image has. Names with a digest are added to
// Docker's table by images.AddDigests.
func (m Importer) tag(ctx context.Context, i Needed) error {
	tags := []string{images.KeepTag(string(i.ID))}
	for _, name := range i.Names {
		if !pinned(name) {
			tags = append(tags, name)
		}
	}
	for _, tag := range tags {
		has, err := m.Docker.Image(ctx, tag)
		switch {
		case err == nil && has.ID != string(i.ID):
			m.Notify(Event{Text: fmt.Sprintf("%s stays image %s; the imported stage uses %s", tag, has.ID, i.ID)})
			continue
		case err == nil:
			continue
		case !errors.Is(err, docker.ErrNoImage):
			return err
		}
		if err := m.Docker.Tag(ctx, string(i.ID), tag); err != nil {
			return err
		}
	}
	return nil
}
