package layout

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/PlanktoScope/pkbuild/internal/output"
)

// archive writes a layout with one image as a tar archive. All modification times are 0.
func (t Target) archive(ctx context.Context, d v1.Descriptor, parts []blob, copied func(int64)) error {
	to, err := output.Resolve(t.Path)
	if err != nil {
		return err
	}
	if !to.IsStream() {
		if err := os.MkdirAll(filepath.Dir(to.File), 0o755); err != nil {
			return err
		}
	}
	return to.Write(ctx, func(f *os.File) error {
		buffer := bufio.NewWriterSize(f, 1<<20)
		w := archiveWriter{tar.NewWriter(buffer)}
		if err := w.layout(ctx, d, parts, copied); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		return buffer.Flush()
	})
}

type archiveWriter struct{ *tar.Writer }

func (w archiveWriter) layout(ctx context.Context, d v1.Descriptor, parts []blob, copied func(int64)) error {
	if err := w.json(v1.ImageLayoutFile, version); err != nil {
		return err
	}
	if err := w.json(v1.ImageIndexFile, newIndex(d)); err != nil {
		return err
	}
	for _, dir := range []string{v1.ImageBlobsDir, path.Join(v1.ImageBlobsDir, digest.Canonical.String())} {
		if err := w.header(tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}); err != nil {
			return err
		}
	}
	for _, b := range parts {
		if err := w.header(tar.Header{Typeflag: tar.TypeReg, Name: b.path(), Mode: 0o644, Size: b.size}); err != nil {
			return err
		}
		if err := b.copy(ctx, w, copied); err != nil {
			return err
		}
	}
	return nil
}

func (w archiveWriter) header(h tar.Header) error {
	h.ModTime = time.Unix(0, 0)
	return w.WriteHeader(&h)
}

// json writes a file with a JSON value.
func (w archiveWriter) json(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := w.header(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
