package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/layout"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// ContainerOptions are how and where an image of a container is written.
type ContainerOptions struct {
	To          layout.Target
	Compression LayerCompression
}

// BuildContainer makes the image of a container that a plan describes, writes it, and returns the digest of its manifest.
// Equal plans give equal images; their time is that of the plan. Options.Output plays no part.
func BuildContainer(ctx context.Context, p *Plan, o Options, c ContainerOptions) (d digest.Digest, err error) {
	b, err := startBuild(ctx, p, o)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	k := &container{build: b, how: c, files: map[digest.Digest]string{}, below: []*tree.Tree{b.tree.Clone()}}
	for _, l := range p.Layers {
		if err := k.layer(ctx, l); err != nil {
			return "", fmt.Errorf("layer %s: %w", l.Name, err)
		}
		k.below = append(k.below, b.tree.Clone())
	}
	if err := b.remember(); err != nil {
		return "", err
	}
	return k.write(ctx)
}

// container is the making of an image of a container.
type container struct {
	*build
	how     ContainerOptions
	below   []*tree.Tree // what lies below each layer, and in the end all of them
	blobs   []images.Layer
	files   map[digest.Digest]string // where the blobs lie
	history []v1.History
}

// compress makes a blob of each layer that changes anything.
func (k *container) compress(ctx context.Context) error {
	for i, l := range k.plan.Layers {
		k.emit(Event{Step: "container", State: Running, Message: "compressing " + l.Name})
		key, err := layers.ParseKey(k.made[i].Key)
		if err != nil {
			return err
		}
		blob, err := k.blob(ctx, key, k.below[i], k.below[i+1])
		if err != nil {
			return fmt.Errorf("layer %s: %w", l.Name, err)
		}
		if blob.Entries > 0 {
			k.blobs = append(k.blobs, blob.Layer)
			k.files[blob.Digest] = blob.file
		}
		k.history = append(k.history, v1.History{
			Created: &k.plan.Date, CreatedBy: "pkbuild: " + describeLayer(l), EmptyLayer: blob.Entries == 0,
		})
	}
	return nil
}

// describeLayer says in a line what a layer is, for who lists those of an image.
func describeLayer(l Layer) string {
	if d, ok := l.Layer.(debian.Layer); ok {
		if d.Over == "" {
			return l.Name + " " + d.Suite
		}
		return l.Name + " " + strings.Join(d.Packages, " ")
	}
	return l.Name
}

// describe describes the image in the words of its specification.
func (k *container) describe() (img images.Image, err error) {
	p := k.plan
	config := v1.Image{
		Created:  &p.Date,
		Platform: v1.Platform{Architecture: p.Architecture, OS: "linux", Variant: variants[p.Architecture]},
		Config:   *p.Container,
		RootFS:   v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}},
		History:  k.history,
	}
	manifest := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{}}
	for _, l := range k.blobs {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.DiffID)
		manifest.Layers = append(manifest.Layers, v1.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size})
	}
	if img.Config, err = json.Marshal(config); err != nil {
		return img, err
	}
	manifest.Config = v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: img.ID(), Size: int64(len(img.Config))}
	if img.Manifest, err = json.Marshal(manifest); err != nil {
		return img, err
	}
	img.Digest, img.Layers = digest.FromBytes(img.Manifest), k.blobs
	return img, nil
}

// variants are those of architectures, as registries name them.
var variants = map[string]string{"arm64": "v8"}

// write writes the image.
func (k *container) write(ctx context.Context) (d digest.Digest, err error) {
	e := k.begin("container")
	defer func() { k.end(e, false, err) }()
	if err := k.compress(ctx); err != nil {
		return "", err
	}
	img, err := k.describe()
	if err != nil {
		return "", err
	}
	var done, total int64
	for _, l := range k.blobs {
		total += l.Size
	}
	open := func(d digest.Digest) (io.ReadCloser, error) { return os.Open(k.files[d]) }
	err = k.how.To.Write(ctx, img, open, func(n int64) {
		done += n
		k.emit(Event{Step: "container", State: Running, Done: min(done, total), Total: total})
	})
	e.Message = fmt.Sprintf("%s: %d layers, %s, %s", k.how.To, len(k.blobs), humanize.IBytes(uint64(total)), img.Digest)
	return img.Digest, err
}
