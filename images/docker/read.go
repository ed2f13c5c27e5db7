package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// read reads the archives of layers, as many at a time as there are processors.
func (s Store) read(ctx context.Context, all []*chained) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, l := range all {
		g.Go(func() error {
			if err := s.readLayer(ctx, l); err != nil {
				return fmt.Errorf("layer %s: %w", l.DiffID, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (s Store) readLayer(ctx context.Context, l *chained) error {
	archive, err := s.Diff(ctx, l.Layer)
	if err != nil {
		return err
	}
	if l.diff, err = readDiff(archive); err != nil {
		return errors.Join(err, archive.Close())
	}
	l.size = sizeOf(l.diff)
	l.split, err = s.tarSplit(ctx, l.Layer, archive)
	return err
}

// Prepare does what Tree would do with a layer's archive that takes long. It may be called for several at a time, while
// others are still on their way.
func (s Store) Prepare(ctx context.Context, l images.Layer) (err error) {
	archive, err := s.Diff(ctx, l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	return s.makeSplit(ctx, l, archive)
}

// tarSplit is what Docker needs besides the files to write the archive of a layer again, byte by byte: the headers, and
// the checksum of each content. It is made once for a layer and kept.
func (s Store) tarSplit(ctx context.Context, l images.Layer, archive *os.File) (tree.Content, error) {
	if err := s.makeSplit(ctx, l, archive); err != nil {
		return tree.Content{}, err
	}
	f, err := os.Open(s.splitName(l))
	if err != nil {
		return tree.Content{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return tree.Content{}, errors.Join(err, f.Close())
	}
	return tree.Content{ReaderAt: f, Size: info.Size()}, nil
}

func (s Store) splitName(l images.Layer) string {
	return filepath.Join(s.Cache, l.DiffID.Encoded()+".json.gz")
}

func (s Store) makeSplit(ctx context.Context, l images.Layer, archive *os.File) error {
	return atomicfile.Produce(ctx, s.splitName(l), func(f *os.File) error {
		if err := f.Truncate(0); err != nil {
			return err
		}
		return split(ctx, archive, f)
	})
}

// reader reads a file from its beginning until its context ends.
type reader struct {
	ctx  context.Context
	from io.ReaderAt
	at   int64
}

func (r *reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.from.ReadAt(b, r.at)
	r.at += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
