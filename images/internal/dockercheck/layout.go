package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/layout"
	"github.com/PlanktoScope/pkbuild/internal/tartest"
)

// makeLayout writes three images to an OCI layout: mosquitto:1, from another layout; mosquitto:2, the same with another layer; and
// variety:1, whose layers have every kind of entry.
func makeLayout(ctx context.Context, dir, bases string) error {
	broker, err := find(bases, "mosquitto")
	if err != nil {
		return err
	}
	more, err := tartest.Of(tartest.File("further", "further\n"))
	if err != nil {
		return err
	}
	lower, upper, err := tartest.Variety()
	if err != nil {
		return err
	}
	for tag, p := range map[string]parts{"mosquitto:1": broker, "mosquitto:2": broker.with(more), "variety:1": greeter().with(lower, upper)} {
		if err := p.write(ctx, layout.Target{Path: dir, Tag: tag}, bases); err != nil {
			return err
		}
	}
	return nil
}

// parts is an image: its metadata, and the layers that are not in the other layout.
type parts struct {
	manifest v1.Manifest
	config   v1.Image
	made     map[digest.Digest][]byte
}

// greeter returns an image without layers that runs /bin/hello.
func greeter() parts {
	p := parts{manifest: v1.Manifest{MediaType: v1.MediaTypeImageManifest}}
	p.manifest.SchemaVersion = 2
	p.config.OS, p.config.Architecture, p.config.RootFS.Type = "linux", "arm64", "layers"
	p.config.Config.Cmd = []string{"/bin/hello"}
	return p
}

// find reads the metadata of an image in a layout.
func find(dir, tag string) (p parts, err error) {
	all, err := readIndex(dir)
	if err != nil {
		return p, err
	}
	for _, d := range all {
		if d.Annotations[v1.AnnotationRefName] == tag {
			err := readJSON(blobFile(dir, d.Digest), &p.manifest)
			return p, errors.Join(err, readJSON(blobFile(dir, p.manifest.Config.Digest), &p.config))
		}
	}
	return p, fmt.Errorf("%s has no image %s; run: make containers", dir, tag)
}

// with returns the image with further layers.
func (p parts) with(archives ...[]byte) parts {
	p.made = map[digest.Digest][]byte{}
	for _, a := range archives {
		d := digest.FromBytes(a)
		p.made[d] = a
		p.manifest.Layers = append(slices.Clip(p.manifest.Layers),
			v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: d, Size: int64(len(a))})
		p.config.RootFS.DiffIDs = append(slices.Clip(p.config.RootFS.DiffIDs), d)
	}
	p.config.History = nil // it would need an entry for each layer
	return p
}

// write writes the image to a layout, with layers from another one.
func (p parts) write(ctx context.Context, to layout.Target, from string) error {
	var img images.Image
	var err error
	if img.Config, err = json.Marshal(p.config); err != nil {
		return err
	}
	p.manifest.Config = v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: img.ID(), Size: int64(len(img.Config))}
	if img.Manifest, err = json.Marshal(p.manifest); err != nil {
		return err
	}
	img.Digest = digest.FromBytes(img.Manifest)
	for i, l := range p.manifest.Layers {
		img.Layers = append(img.Layers, images.Layer{Digest: l.Digest, DiffID: p.config.RootFS.DiffIDs[i], Size: l.Size, MediaType: l.MediaType})
	}
	return to.Write(ctx, img, func(d digest.Digest) (io.ReadCloser, error) {
		if archive, ok := p.made[d]; ok {
			return io.NopCloser(bytes.NewReader(archive)), nil
		}
		return os.Open(blobFile(from, d))
	}, nil)
}

// readIndex returns the images in a layout.
func readIndex(dir string) ([]v1.Descriptor, error) {
	var index v1.Index
	err := readJSON(filepath.Join(dir, v1.ImageIndexFile), &index)
	return index.Manifests, err
}

func blobFile(dir string, d digest.Digest) string {
	return filepath.Join(dir, v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

func readJSON(name string, to any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, to); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}
