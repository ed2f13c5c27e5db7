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

// LayerCompression is how the layers of a container's image are compressed.
type LayerCompression string

// The compressions of layers. Docker reads zstd since 23.0.
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

// writer compresses to w, in the same way on any machine.
func (c LayerCompression) writer(w io.Writer) (io.WriteCloser, error) {
	switch c {
	case Gzip:
		return gzip.NewWriterLevel(w, gzip.DefaultCompression)
	case Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	case Uncompressed:
		return nopCloser{w}, nil
	}
	return nil, fmt.Errorf("compression %q of layers is none of %v", c, LayerCompressions)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// containerBlob is a layer of a container, as the cache knows it.
type containerBlob struct {
	images.Layer
	Entries int // of the archive: none, where the layer changes nothing
	file    string
}

// blobVersion is to be raised whenever the same trees give another blob.
const blobVersion = 1

// blob is what a layer makes of the tree below, as a layer of a container. It is kept in the cache under the key of the
// layer, which decides it.
func (k *container) blob(ctx context.Context, key layers.Key, below, now *tree.Tree) (b containerBlob, err error) {
	dir := filepath.Join(k.opts.Cache, "containers")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return b, err
	}
	b.file = filepath.Join(dir, fmt.Sprintf("%s.%d.%s", key, blobVersion, k.how.Compression))
	unlock, err := atomicfile.Lock(ctx, b.file+".lock")
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if known(&b) {
		return b, nil
	}
	if err := atomicfile.Replace(ctx, b.file, func(f *os.File) error { return k.archive(ctx, f, below, now, &b) }); err != nil {
		return b, err
	}
	return b, layers.WriteJSON(b.file+".json", b)
}

// known tells whether the cache has a blob, undamaged, and what it is.
func known(b *containerBlob) bool {
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

// archive writes a blob to a file.
func (k *container) archive(ctx context.Context, f *os.File, below, now *tree.Tree, b *containerBlob) error {
	whole, content := digest.Canonical.Digester(), digest.Canonical.Digester()
	out := bufio.NewWriterSize(io.MultiWriter(f, whole.Hash()), 1<<20)
	z, err := k.how.Compression.writer(out)
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
	b.Layer = images.Layer{Digest: whole.Digest(), DiffID: content.Digest(), Size: info.Size(), MediaType: layerTypes[k.how.Compression]}
	return nil
}
