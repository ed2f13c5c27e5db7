package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// read reads the archives of layers, one per processor at a time.
func (s Store) read(ctx context.Context, all []*chainLayer) error {
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

func (s Store) readLayer(ctx context.Context, l *chainLayer) error {
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

// Prepare parses the archive of an image layer and caches the result for Tree, so that this can happen while other layers
// are still downloaded. It fails if Diff cannot open the layer. It may be called concurrently.
func (s Store) Prepare(ctx context.Context, l images.Layer) (err error) {
	archive, err := s.Diff(ctx, l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	return s.makeSplit(ctx, l, archive)
}

// tarSplit returns the tar-split metadata of a layer: the headers and checksums with which Docker reassembles the archive byte
// by byte from the files. It is cached.
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
