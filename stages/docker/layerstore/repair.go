package layerstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/docker"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Repair writes the damaged layers and configurations of the images in all again, from their layers in a blob store. damage
// is what Check found; Repair itself checks the layers that are not in it. Docker must not run, and what an error or a power
// cut left unrepaired can be repaired again.
func (s Store) Repair(ctx context.Context, blobs images.Blobs, all []images.Image, damage []Damage) (err error) {
	made, err := docker.Store{Diff: blobs.Diff, Cache: filepath.Join(blobs.Dir, "tar-split")}.Tree(ctx, all)
	if err != nil {
		return fmt.Errorf("repair images: %w", err)
	}
	defer func() { err = errors.Join(err, closeContents(made)) }()
	damaged := map[digest.Digest]bool{}
	for _, d := range damage {
		damaged[d.chain] = true
	}
	written := map[digest.Digest]bool{}
	for _, image := range all {
		name := s.path("imagedb", "content", "sha256", image.ID().Encoded())
		if data, err := os.ReadFile(name); err != nil || digest.FromBytes(data) != image.ID() {
			if err := atomicfile.Write(name, image.Config, 0o600); err != nil {
				return fmt.Errorf("repair image %s: %w", image.ID(), err)
			}
		}
		var diffs []digest.Digest
		for _, l := range image.Layers {
			r := repair{layer: layer{Store: s, diff: l.DiffID, below: slices.Clone(diffs)}, made: made}
			diffs = append(diffs, l.DiffID)
			r.chain = identity.ChainID(slices.Clone(diffs))
			// A configuration that was damaged hid the damage of its layers.
			if !damaged[r.chain] && r.check(ctx, Contents) == nil || written[r.chain] {
				continue
			}
			if err := r.write(ctx); err != nil {
				return fmt.Errorf("repair layer %s: %w", l.DiffID, err)
			}
			written[r.chain] = true
		}
	}
	return nil
}

// closeContents closes the files that the contents of a tree are in.
func closeContents(t *tree.Tree) error {
	files := map[io.Closer]bool{}
	for _, n := range t.Walk() {
		if f, ok := n.Content.ReaderAt.(io.Closer); ok {
			files[f] = true
		}
	}
	var errs []error
	for f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// repair is a layer that is written again.
type repair struct {
	layer
	made *tree.Tree // Docker's store with the layer, as package images/docker writes it
}

// write writes the layer: its files, then the metadata that makes Docker use them.
func (r repair) write(ctx context.Context) error {
	id, err := r.cacheID()
	if err != nil {
		id = r.chain.Encoded()
	}
	dir := r.layerDir(id)
	if err := os.MkdirAll(dir, 0o710); err != nil {
		return err
	}
	if err := r.writeFiles(ctx, dir); err != nil {
		return err
	}
	if err := r.writeLinks(id, dir); err != nil {
		return err
	}
	return r.writeMetadata(id)
}

// writeFiles replaces the directory with the layer's files.
func (r repair) writeFiles(ctx context.Context, dir string) error {
	diff, fresh, old := filepath.Join(dir, "diff"), filepath.Join(dir, "diff.new"), filepath.Join(dir, "diff.old")
	if err := errors.Join(os.RemoveAll(fresh), os.RemoveAll(old), os.Mkdir(fresh, 0o755)); err != nil {
		return err
	}
	files := r.made.Sub(filepath.Join("overlay2", r.chain.Encoded(), "diff"))
	if err := files.Extract(ctx, fresh, tree.ExtractOptions{}); err != nil {
		return err
	}
	if err := os.Rename(diff, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, diff); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

// writeLinks gives the layer's directory a short name, unless it has one, and lists those of the layers below.
func (r repair) writeLinks(id, dir string) error {
	name, err := r.link(id)
	if err != nil {
		if name, err = r.foundLink(id); err != nil {
			return err
		}
		if err := atomicfile.Write(filepath.Join(dir, "link"), []byte(name), 0o644); err != nil {
			return err
		}
	}
	link, target := filepath.Join(r.Root, "overlay2", "l", name), "../"+id+"/diff"
	if got, err := os.Readlink(link); err != nil || got != target {
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(target, link); err != nil {
			return err
		}
	}
	if len(r.below) == 0 {
		return nil
	}
	lower, err := r.lower()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "work"), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, "lower"), []byte(lower), 0o644)
}

// foundLink returns the short name that leads to a layer's directory, which layers above may use, or else a new one.
func (r repair) foundLink(id string) (string, error) {
	entries, err := os.ReadDir(filepath.Join(r.Root, "overlay2", "l"))
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(r.Root, "overlay2", "l", e.Name())); err == nil && target == "../"+id+"/diff" {
			return e.Name(), nil
		}
	}
	name, err := r.made.ReadFile(filepath.Join("overlay2", r.chain.Encoded(), "link"))
	return string(name), err
}

// writeMetadata writes what Docker knows of the layer.
func (r repair) writeMetadata(id string) error {
	from := filepath.Join("image/overlay2/layerdb/sha256", r.chain.Encoded())
	to := r.path("layerdb", "sha256", r.chain.Encoded())
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"diff", "parent", "size", splitFile, "cache-id"} {
		if r.made.Get(filepath.Join(from, name)) == nil {
			continue // the base has no parent
		}
		data, err := r.made.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if name == "cache-id" {
			data = []byte(id)
		}
		if err := atomicfile.Write(filepath.Join(to, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
