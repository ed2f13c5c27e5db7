// Package diskimage makes trees of disk images as vendors publish them for a Raspberry Pi: an MBR, a FAT32 partition
// that the device mounts at /boot/firmware, an ext4 partition with all else. The image may be compressed with xz or
// zstd.
//
// Nothing is mounted and nothing extracted: a tree refers to the image, which the cache keeps uncompressed under the
// digest of what the vendor published. The package does not change what the vendor ships; docs/base.md says who does.
package diskimage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Layer is the base that a vendor's image is.
type Layer struct {
	Source string   `json:"source"`         // URL, or path relative to Env.Dir
	SHA256 string   `json:"sha256"`         // of the published file, in hexadecimal
	Drop   []uint32 `json:"drop,omitempty"` // numbers of partitions to leave out
}

// Kind implements layers.Layer.
func (Layer) Kind() layers.Kind { return layers.Kind{Name: "image", Version: 1, Kept: true} }

// Make implements layers.Layer.
func (l Layer) Make(ctx context.Context, env *layers.Env, _ *tree.Tree) (*tree.Tree, error) {
	name, err := l.unpacked(ctx, env)
	if err != nil {
		return nil, err
	}
	image, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	t, err := Read(ctx, image, l.Drop)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", l.Source, err), image.Close())
	}
	for _, n := range t.Walk() {
		if n.ModTime.After(env.Latest) {
			n.ModTime = env.Latest
		}
	}
	return t, nil
}

// Dir is where a cache keeps images.
func Dir(cache string) string { return filepath.Join(cache, "images") }

// unpacked is the name of the image in the cache, into which it is brought if it is not there.
func (l Layer) unpacked(ctx context.Context, env *layers.Env) (string, error) {
	name := filepath.Join(Dir(env.Cache), l.SHA256+".img")
	return name, atomicfile.Produce(ctx, name, func(to *os.File) error {
		from, err := l.published(ctx, env)
		if err != nil {
			return err
		}
		progress := func(done, total int64) {
			env.Report(layers.Progress{Message: "unpacking " + filepath.Base(l.Source), Done: done, Total: total})
		}
		err = errors.Join(unpack(ctx, from, to, quiet(progress)), from.Close())
		if err != nil || from.Name() != l.download(env) {
			return err
		}
		return os.Remove(from.Name())
	})
}

// published opens the image as the vendor published it. Its digest is right.
func (l Layer) published(ctx context.Context, env *layers.Env) (*os.File, error) {
	name := l.Source
	if !strings.Contains(name, "://") {
		return openVerified(ctx, layers.Locate(env.Dir, name), l.SHA256)
	}
	name = l.download(env)
	err := atomicfile.Produce(ctx, name, func(f *os.File) error {
		progress := quiet(func(done, total int64) {
			env.Report(layers.Progress{Message: "downloading " + l.Source, Done: done, Total: total})
		})
		return download.Fetch(ctx, download.File{URL: l.Source, SHA256: l.SHA256}, f,
			download.Options{Retry: download.DefaultRetry(), Progress: progress})
	})
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", l.Source, err)
	}
	return os.Open(name)
}

// download is the name in the cache of an image that is about to be unpacked.
func (l Layer) download(env *layers.Env) string {
	return filepath.Join(Dir(env.Cache), l.SHA256+".download")
}

// quiet passes on a hundred reports at most.
func quiet(report func(done, total int64)) func(done, total int64) {
	last := int64(-1)
	return func(done, total int64) {
		if total > 0 && done*100/total > last {
			last = done * 100 / total
			report(done, total)
		}
	}
}
