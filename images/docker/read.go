package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/klauspost/compress/gzip"
	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
	"golang.org/x/sync/errgroup"

	"github.com/PlanktoScope/pkbuild/layers"
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
	l.split, err = s.tarSplit(ctx, l, archive)
	return err
}

// tarSplit is what Docker needs besides the files to write the archive of a layer again, byte by byte: the headers, and
// the checksum of each content. It is made once for a layer and kept.
func (s Store) tarSplit(ctx context.Context, l *chained, archive *os.File) (layers.Content, error) {
	name := filepath.Join(s.Cache, l.DiffID.Encoded()+".json.gz")
	err := layers.Produce(ctx, name, func(f *os.File) error {
		if err := f.Truncate(0); err != nil {
			return err
		}
		return errors.Join(split(ctx, archive, f), f.Sync())
	})
	if err != nil {
		return layers.Content{}, err
	}
	f, err := os.Open(name)
	if err != nil {
		return layers.Content{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return layers.Content{}, errors.Join(err, f.Close())
	}
	return layers.Content{ReaderAt: f, Size: info.Size()}, nil
}

// split writes what an archive is besides its contents.
func split(ctx context.Context, archive io.ReaderAt, w io.Writer) error {
	zipped, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(&reader{ctx: ctx, from: archive}, 1<<20)
	tar, done, err := asm.NewInputTarStreamWithDone(in, storage.NewJSONPacker(zipped), nil)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(onlyWriter{io.Discard}, tar, make([]byte, 1<<16)) // each read wakes who writes
	err = errors.Join(err, tar.Close())
	if e := <-done; err == nil {
		err = e
	}
	if errors.Is(err, storage.ErrDuplicatePath) {
		return errors.New("its archive has a path twice, which Docker refuses")
	}
	if err != nil {
		return fmt.Errorf("split the archive: %w", err)
	}
	return zipped.Close()
}

// onlyWriter hides that a writer would rather read by itself.
type onlyWriter struct{ io.Writer }

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
