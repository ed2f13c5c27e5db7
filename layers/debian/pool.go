package debian

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/internal/download"
)

// pool is a cache of .debs by digest, in a directory that concurrent builds may share.
type pool struct {
	dir         string
	connections int // at a time
	retry       download.Retry
}

func newPool(dir string) pool { return pool{dir, 6, download.DefaultRetry()} }

func (p pool) path(pkg Package) string { return filepath.Join(p.dir, pkg.SHA256+".deb") }

// fetch downloads the packages that the pool lacks. It calls done for every package, with whether it was downloaded.
func (p pool) fetch(ctx context.Context, pkgs []Package, done func(pkg Package, downloaded bool)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(p.connections)
	for _, pkg := range pkgs {
		group.Go(func() error {
			downloaded := false
			err := atomicfile.Produce(ctx, p.path(pkg), func(f *os.File) error {
				downloaded = true
				file := download.File{URL: pkg.URL, SHA256: pkg.SHA256, Size: pkg.Size}
				return download.Fetch(ctx, file, f, download.Options{Retry: p.retry})
			})
			if err != nil {
				return fmt.Errorf("download %s from %s: %w", pkg, pkg.URL, err)
			}
			done(pkg, downloaded)
			return nil
		})
	}
	return group.Wait()
}
