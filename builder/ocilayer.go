package builder

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/internal/ctxio"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// LayerCompression is the compression format of the layers of a written container image: gzip, zstd or none.
type LayerCompression string

// The supported compressions. Docker reads zstd since version 23.
const (
	Gzip         LayerCompression = "gzip"
	Zstd         LayerCompression = "zstd"
	Uncompressed LayerCompression = "none"
)

// LayerCompressions lists them.
var LayerCompressions = []LayerCompression{Gzip, Zstd, Uncompressed}

var layerTypes = map[LayerCompression]string{
	Gzip: v1.MediaTypeImageLayerGzip, Zstd: v1.MediaTypeImageLayerZstd, Uncompressed: v1.MediaTypeImageLayer,
}

// writer returns a compressor whose output is the same on every machine.
func (c LayerCompression) writer(w io.Writer) (io.WriteCloser, error) {
	switch c {
	case Gzip:
		return gzip.NewWriterLevel(w, gzip.DefaultCompression)
	case Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	case Uncompressed:
		return nopCloser{w}, nil
	}
	return nil, fmt.Errorf("layer compression %q is not supported, want one of %v", c, LayerCompressions)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// containerBlob is a layer of a container image in the cache.
type containerBlob struct {
	images.Layer
	Entries int // of the archive: 0 if the layer changes nothing
	file    string
}

// blobVersion must be raised whenever the same trees give another blob.
const blobVersion = 1

// blob returns the layer that turns one tree into another. The cache keeps it under the key of the layer.
func (k *container) blob(ctx context.Context, key layers.Key, below, now *tree.Tree) (b containerBlob, err error) {
	dir := filepath.Join(k.Cache, "containers")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return b, err
	}
	b.file = filepath.Join(dir, fmt.Sprintf("%s.%d.%s", key, blobVersion, k.out.Compression))
	unlock, err := atomicfile.Lock(ctx, b.file+".lock")
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if b.read() {
		return b, nil
	}
	if err := atomicfile.Replace(ctx, b.file, func(f *os.File) error { return k.archive(ctx, f, below, now, &b) }); err != nil {
		return b, err
	}
	return b, layers.WriteJSON(b.file+".json", b)
}

// read reads a blob from the cache and reports whether it exists undamaged.
func (b *containerBlob) read() bool {
	data, err := os.ReadFile(b.file + ".json")
	if err != nil || json.Unmarshal(data, b) != nil {
		return false
	}
	f, err := os.Open(b.file)
	if err != nil {
		return false
	}
	defer f.Close()
	got, err := digest.Canonical.FromReader(f)
	return err == nil && got == b.Digest
}

// archive writes the blob to a file.
func (k *container) archive(ctx context.Context, f *os.File, below, now *tree.Tree, b *containerBlob) error {
	whole, content := digest.Canonical.Digester(), digest.Canonical.Digester()
	out := bufio.NewWriterSize(io.MultiWriter(f, whole.Hash()), 1<<20)
	z, err := k.out.Compression.writer(out)
	if err != nil {
		return err
	}
	in := bufio.NewWriterSize(io.MultiWriter(ctxio.Writer(ctx, z), content.Hash()), 1<<16)
	if b.Entries, err = now.WriteChanges(in, below, k.plan.Date); err != nil {
		return err
	}
	if err := errors.Join(in.Flush(), z.Close(), out.Flush()); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	b.Layer = images.Layer{Digest: whole.Digest(), DiffID: content.Digest(), Size: info.Size(), MediaType: layerTypes[k.out.Compression]}
	return nil
}
