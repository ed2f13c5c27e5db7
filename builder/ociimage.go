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

// ContainerOutput is the OCI layout to which a container image is written, and the compression of its layers.
type ContainerOutput struct {
	To          layout.Target
	Compression LayerCompression
}

// BuildContainer writes the container image of a plan and returns the digest of its manifest. Equal plans give equal
// images. The image replaces one that is at out.To already, as layout.Target.Write does.
func BuildContainer(ctx context.Context, p *Plan, w Workspace, out ContainerOutput) (d digest.Digest, err error) {
	b, err := startBuild(ctx, p, w)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	k := &container{build: b, out: out, files: map[digest.Digest]string{}, below: []*tree.Tree{b.tree.Clone()}}
	for _, l := range p.Layers {
		if err := k.layer(ctx, l); err != nil {
			return "", fmt.Errorf("layer %s: %w", l.Name, err)
		}
		k.below = append(k.below, b.tree.Clone())
	}
	if err := b.saveHistory(); err != nil {
		return "", err
	}
	return k.write(ctx)
}

// container is a build of a container image.
type container struct {
	*build
	out     ContainerOutput
	below   []*tree.Tree // the tree below each layer and, last, the whole tree
	blobs   []images.Layer
	files   map[digest.Digest]string // of the blobs
	history []v1.History
}

// compress makes a blob of each layer that is not empty.
func (k *container) compress(ctx context.Context) error {
	for i, l := range k.plan.Layers {
		k.emit(Event{Step: "container", State: Running, Message: "compressing " + l.Name})
		key, err := layers.ParseKey(k.built[i].Key)
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

// describeLayer returns the text of a layer in the history of an image.
func describeLayer(l Layer) string {
	if d, ok := l.Layer.(debian.Layer); ok {
		if d.Over == "" {
			return l.Name + " " + d.Suite
		}
		return l.Name + " " + strings.Join(d.Packages, " ")
	}
	return l.Name
}

// describe returns the configuration and the manifest of the image.
func (k *container) describe() (img images.Image, err error) {
	p := k.plan
	config := v1.Image{
		Created:  &p.Date,
		Platform: v1.Platform{Architecture: p.Architecture, OS: "linux", Variant: imagePlatform(p.Architecture).Variant},
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
	err = k.out.To.Write(ctx, img, open, func(n int64) {
		done += n
		k.emit(Event{Step: "container", State: Running, Done: min(done, total), Total: total})
	})
	e.Message = fmt.Sprintf("%s: %d layers, %s, %s", k.out.To, len(k.blobs), humanize.IBytes(uint64(total)), img.Digest)
	return img.Digest, err
}
