package builder

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/layers/diskimage"
)

// Verification says whether two builds of one plan gave the same image, with both SHA-256 sums and the first
// difference.
type Verification struct {
	Same       bool             `json:"same"`
	SHA256     [2]string        `json:"sha256"`               // of the two images
	Difference *disk.Difference `json:"difference,omitempty"` // the first one
	Images     []string         `json:"images,omitempty"`     // paths of the images, kept if they differ
}

// VerifyOptions are the working directory of Verify, and whether it repeats the whole build or only the writing of the
// disk.
type VerifyOptions struct {
	Dir      string // directory with room for two images and a second cache
	DiskOnly bool   // reuse the layers, and verify only the writing of the disk
}

// Verify builds a plan twice and compares the disk images. If they differ, it keeps them in a new directory below o.Dir.
// Unless o.DiskOnly is set, the second build uses a new cache with only the downloads of the first, which are addressed by
// digest.
func Verify(ctx context.Context, p *Plan, w Workspace, o VerifyOptions) (v *Verification, err error) {
	dir, err := os.MkdirTemp(o.Dir, p.Name+"-verify-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if v == nil || v.Same {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	again := w
	if !o.DiskOnly {
		again.Cache, again.Shared = filepath.Join(dir, "cache"), ""
		defer func() { err = errors.Join(err, os.RemoveAll(again.Cache)) }()
	}
	first, err := startBuild(ctx, p, w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, first.close()) }()
	a, err := first.write(ctx, filepath.Join(dir, "first.img"))
	if err != nil {
		return nil, err
	}
	if !o.DiskOnly {
		if err := linkDownloads(w.Cache, again.Cache); err != nil {
			return nil, err
		}
	}
	second, err := startBuild(ctx, p, again)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, second.close()) }()
	b, err := second.write(ctx, filepath.Join(dir, "second.img"))
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

// write builds the layers and writes the image to a file.
func (b *build) write(ctx context.Context, image string) (disk.Written, error) {
	b.out = Output{Path: image, Compression: disk.None}
	if err := b.layers(ctx); err != nil {
		return disk.Written{}, err
	}
	d, err := b.image(ctx)
	return disk.Written{Disk: d, Image: image}, err
}

// linkDownloads creates a cache with symlinks to the downloads of another one.
func linkDownloads(old, cache string) error {
	if err := os.Mkdir(cache, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{filepath.Join(old, "debs"), diskimage.Dir(old), filepath.Join(old, palletsDir), filepath.Join(old, recipesDir)} {
		if _, err := os.Stat(dir); err != nil {
			continue // the recipe needed none
		}
		if err := os.Symlink(dir, filepath.Join(cache, filepath.Base(dir))); err != nil {
			return err
		}
	}
	return nil
}
