package transfer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/PlanktoScope/pkbuild/internal/ctxio"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Bundle is the bundle in an exported file, after its digests were verified.
type Bundle struct {
	Manifest []byte
	size     int64 // approximate disk usage in bytes
}

// Verify reads an exported file completely and verifies all digests: of the members of the archive, the uncompressed image
// layers, and the files of the bundle. It fails at the first that differs, and calls notify before each member.
func (f *File) Verify(ctx context.Context, notify func(Event)) (b Bundle, err error) {
	var done, total int64
	for _, m := range f.Index.Members {
		total += m.Size
	}
	for _, m := range f.Index.Members {
		notify(Event{Text: "verifying the file", Done: done, Total: total})
		done += m.Size
		if m.Name == bundleMember {
			b, err = f.verifyBundle(ctx)
		} else {
			err = f.verifyMember(ctx, m)
		}
		if err != nil {
			return b, err
		}
	}
	for _, i := range f.Index.Images {
		if err := f.verifyConfig(i); err != nil {
			return b, fmt.Errorf("image %s: %w", i.Names[0], err)
		}
	}
	return b, nil
}

func (f *File) verifyMember(ctx context.Context, m Member) error {
	for _, l := range f.Index.Layers {
		if l.Member == m.Name {
			return f.verifyLayer(ctx, l, m)
		}
	}
	h := digest.SHA256.Hash()
	if _, err := io.Copy(h, ctxio.Reader(ctx, f.open(m.Name))); err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	return checkDigest(m.Name, digest.NewDigest(digest.SHA256, h), m.Digest)
}

// verifyLayer verifies a layer. It decompresses no more bytes than the index says.
func (f *File) verifyLayer(ctx context.Context, l Layer, m Member) error {
	stored, diff := digest.SHA256.Hash(), digest.SHA256.Hash()
	raw := io.TeeReader(ctxio.Reader(ctx, f.open(m.Name)), stored)
	content, end, err := decompressed(raw, l)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	n, err := io.Copy(diff, io.LimitReader(content, l.Size+1))
	end()
	if _, drained := io.Copy(io.Discard, raw); err == nil {
		err = drained
	}
	if err == nil {
		err = checkDigest(m.Name, digest.NewDigest(digest.SHA256, stored), m.Digest)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", m.Name, err)
	case n != l.Size:
		return fmt.Errorf("member %s does not have the %d bytes that %s lists", m.Name, l.Size, indexMember)
	}
	return checkDigest("decompressed "+m.Name, digest.NewDigest(digest.SHA256, diff), l.DiffID)
}

// decompressed returns a reader of the uncompressed layer, and a function to call at its end.
func decompressed(raw io.Reader, l Layer) (io.Reader, func(), error) {
	if l.Member == layerMember(l.DiffID, tarSuffix) {
		return raw, func() {}, nil
	}
	z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return nil, nil, err
	}
	return z, z.Close, nil
}

func (f *File) verifyBundle(ctx context.Context) (b Bundle, err error) {
	m, _ := f.Index.member(bundleMember) // the index has it
	if err := f.verifyMember(ctx, m); err != nil {
		return b, err
	}
	manifest, digests, size, err := inspectBundle(ctxio.Reader(ctx, f.open(bundleMember)))
	if err != nil {
		return b, err
	}
	return Bundle{manifest, size}, checkDigest("bundle", digest.FromBytes(digests), f.Index.Bundle)
}

// verifyConfig compares an image's configuration, if it is in the file, with the index.
func (f *File) verifyConfig(i Needed) error {
	name := configMember(i.ID)
	if _, known := f.Index.member(name); !known {
		return nil
	}
	data, err := f.small(name, maxConfig)
	if err != nil {
		return err
	}
	var c imagespec.Image
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("parse %s: %w", name, err)
	}
	if got := c.OS + "/" + c.Architecture; got != f.Index.Platform {
		return fmt.Errorf("image is for platform %.60q, but %s has %q", got, indexMember, f.Index.Platform)
	}
	if !slices.Equal(c.RootFS.DiffIDs, i.Layers) {
		return fmt.Errorf("image has other layers than the file's %s lists", indexMember)
	}
	return nil
}
