// Package diskimage reads disk images that vendors publish for a Raspberry Pi as trees: an MBR, a FAT32 partition that
// the device mounts at /boot/firmware, and an ext4 root file system. The image may be compressed. Everything else is an
// error that names what was found.
//
// Nothing is mounted or extracted: the tree refers to the image, which the cache keeps uncompressed under the digest of
// the published file. The package does not adapt the vendor's files; see docs/base.md.
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

// Layer is the lowest layer of a root file system, taken from a vendor's disk image: its source, SHA-256, and the
// partitions to leave out.
type Layer struct {
	Source string   `json:"source"`         // URL, or path relative to Env.Dir
	SHA256 string   `json:"sha256"`         // of the published file, in hexadecimal
	Drop   []uint32 `json:"drop,omitempty"` // numbers of partitions to leave out
}

// Kind returns the name and version of the layer kind "image".
func (Layer) Kind() layers.Kind { return layers.Kind{Name: "image", Version: 1, Kept: true} }

// Make returns the files of the disk image as a tree. It first downloads the image, if the source is a URL, and unpacks it
// to env.Cache, unless it is there from an earlier build. It fails if the published file does not have the SHA-256 of the
// layer, or as Read does.
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

// Dir returns the directory of a build cache that holds vendors' disk images.
func Dir(cache string) string { return filepath.Join(cache, "images") }

// unpacked returns the path of the uncompressed image in the cache, and adds it if it is missing.
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
		err = errors.Join(unpack(ctx, from, to, throttle(progress)), from.Close())
		if err != nil || from.Name() != l.download(env) {
			return err
		}
		return os.Remove(from.Name())
	})
}

// published opens the file that the vendor published, and verifies its digest.
func (l Layer) published(ctx context.Context, env *layers.Env) (*os.File, error) {
	name := l.Source
	if !strings.Contains(name, "://") {
		return openVerified(ctx, layers.Locate(env.Dir, name), l.SHA256)
	}
	name = l.download(env)
	err := atomicfile.Produce(ctx, name, func(f *os.File) error {
		progress := throttle(func(done, total int64) {
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

// download returns the path of a downloaded file in the cache.
func (l Layer) download(env *layers.Env) string {
	return filepath.Join(Dir(env.Cache), l.SHA256+".download")
}

// throttle passes on a hundred reports at most.
func throttle(report func(done, total int64)) func(done, total int64) {
	last := int64(-1)
	return func(done, total int64) {
		if total > 0 && done*100/total > last {
			last = done * 100 / total
			report(done, total)
		}
	}
}
