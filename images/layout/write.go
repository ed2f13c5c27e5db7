package layout

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"

	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// Write writes an image, whose layers open opens. The image appears when it is complete. In a directory it replaces the
// image with the same tag or, if t has none, the one without a tag; several processes may write to one directory. An
// archive is replaced as a whole. copied, which may be nil, is called with the number of bytes of each piece that was
// written.
func (t Target) Write(ctx context.Context, img images.Image, open Open, copied func(n int64)) error {
	write := t.directory
	if t.Archive {
		write = t.archive
	}
	d, err := t.descriptor(img)
	if err == nil {
		err = write(ctx, d, blobs(img, open), copied)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", t, err)
	}
	return nil
}

// descriptor returns the entry of the image in an index.
func (t Target) descriptor(img images.Image) (d v1.Descriptor, err error) {
	var m v1.Manifest
	if err := json.Unmarshal(img.Manifest, &m); err != nil {
		return d, fmt.Errorf("parse manifest %s: %w", img.Digest, err)
	}
	platform := &v1.Platform{}
	if err := json.Unmarshal(img.Config, platform); err != nil {
		return d, fmt.Errorf("parse the configuration of %s: %w", img.Digest, err)
	}
	d = v1.Descriptor{
		MediaType: cmp.Or(m.MediaType, v1.MediaTypeImageManifest),
		Digest:    img.Digest,
		Size:      int64(len(img.Manifest)),
		Platform:  platform,
	}
	if t.Tag != "" {
		d.Annotations = map[string]string{v1.AnnotationRefName: t.Tag}
	}
	return d, nil
}

// newIndex returns an index of images.
func newIndex(manifests ...v1.Descriptor) *v1.Index {
	return &v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: manifests}
}

// version is the content of the file oci-layout.
var version = v1.ImageLayout{Version: v1.ImageLayoutVersion}

// replace writes a file with a JSON value.
func replace(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return atomicfile.Write(name, data, 0o644)
}

// path returns the path of a blob in a layout.
func (b blob) path() string {
	return path.Join(v1.ImageBlobsDir, b.digest.Algorithm().String(), b.digest.Encoded())
}
