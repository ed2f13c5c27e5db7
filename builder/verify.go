package builder

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/layers/diskimage"
)

// Verification says what two builds of a plan made.
type Verification struct {
	Same       bool             `json:"same"`
	SHA256     [2]string        `json:"sha256"`               // of the two images
	Difference *disk.Difference `json:"difference,omitempty"` // the first
	Images     []string         `json:"images,omitempty"`     // where the two are kept, if they differ
}

// Verify builds a plan twice, in a new directory beside o.Output, and compares the images, which stay there if they
// differ. The second build takes nothing from the cache but what was downloaded, which is addressed by its digest; with
// reuse it takes the layers, too, so that only the writing of the disk is verified.
func Verify(ctx context.Context, p *Plan, o Options, reuse bool) (v *Verification, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(o.Output), p.Name+"-verify-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if v == nil || v.Same {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	o.Compression, o.Output = disk.None, filepath.Join(dir, "first.img")
	again := o
	again.Output = filepath.Join(dir, "second.img")
	if !reuse {
		again.Cache, again.Shared = filepath.Join(dir, "cache"), ""
		defer func() { err = errors.Join(err, os.RemoveAll(again.Cache)) }()
	}
	first, err := startBuild(ctx, p, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, first.close()) }()
	a, err := first.written(ctx)
	if err != nil {
		return nil, err
	}
	if !reuse {
		if err := linkDownloads(o.Cache, again.Cache); err != nil {
			return nil, err
		}
	}
	second, err := startBuild(ctx, p, again)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, second.close()) }()
	b, err := second.written(ctx)
	if err != nil {
		return nil, err
	}
	sums := [2]string{first.result.SHA256, second.result.SHA256}
	if sums[0] == sums[1] {
		return &Verification{Same: true, SHA256: sums}, nil
	}
	d, err := disk.Compare(ctx, a, b)
	if err != nil {
		return nil, err
	}
	return &Verification{SHA256: sums, Difference: d, Images: []string{a.Image, b.Image}}, nil
}

// written makes the layers and the image.
func (b *build) written(ctx context.Context) (disk.Written, error) {
	if err := b.layers(ctx); err != nil {
		return disk.Written{}, err
	}
	d, err := b.image(ctx)
	return disk.Written{Disk: d, Image: b.opts.Output}, err
}

// linkDownloads makes a new cache that has of the old one what was downloaded by digest, and nothing else.
func linkDownloads(old, cache string) error {
	if err := os.Mkdir(cache, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{filepath.Join(old, "debs"), diskimage.Dir(old), filepath.Join(old, palletsDir)} {
		if _, err := os.Stat(dir); err != nil {
			continue // nothing of the kind was needed
		}
		if err := os.Symlink(dir, filepath.Join(cache, filepath.Base(dir))); err != nil {
			return err
		}
	}
	return nil
}
