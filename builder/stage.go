package builder

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// bundle is the index of the bundle that an image starts with.
const bundle = 1

// stageEntries bundles a pallet and lists the bundle and the stage store around it as the entries of a files layer.
func stageEntries(ctx context.Context, dir string, s recipes.Stage, fetch *pallets) ([]layers.File, error) {
	b, err := fetch.bundle(ctx, layers.Locate(dir, s.Pallet))
	if err != nil {
		return nil, err
	}
	file, err := stages.NewStore(bundle, s.Names...).Marshal()
	if err != nil {
		return nil, err
	}
	entries, err := places{recipe: dir, cache: fetch.cache}.bundle(b)
	if err != nil {
		return nil, err
	}
	at := path.Join(stages.Dir, strconv.Itoa(bundle))
	out := []layers.File{
		{Path: stages.Dir, Type: "directory", Mode: 0o755},
		{Path: path.Join(stages.Dir, stages.StoreFile), Type: "file", Mode: 0o644, Content: string(file)},
		{Path: at, Type: "directory", Mode: 0o755},
	}
	for _, e := range entries {
		e.Path = path.Join(at, e.Path)
		out = append(out, e)
	}
	return out, nil
}

// bundleEntries are the entries of a bundle, with the digests by which the device can verify it.
func (p places) bundle(b *pallet.Bundle) ([]layers.File, error) {
	out := []layers.File{{Path: pallet.ManifestFile, Type: "file", Mode: 0o644, Content: string(b.Manifest)}}
	digests := []store.Entry{store.NewEntry(pallet.ManifestFile, 0o644, sum(b.Manifest), "")}
	for _, f := range b.Files {
		e, err := p.entry(f)
		if err != nil {
			return nil, err
		}
		e.Path = f.Path
		out = append(out, e)
		digest := e.SHA256
		if e.Source == "" {
			digest = sum(f.Content)
		}
		digests = append(digests, store.NewEntry(f.Path, f.Mode, digest, f.Target))
	}
	data, err := store.MarshalDigests(digests)
	return append(out, layers.File{Path: store.DigestFile, Type: "file", Mode: 0o644, Content: string(data)}), err
}

// sum is the SHA-256 of data in hexadecimal.
func sum[T string | []byte](data T) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(data))) }

func (p places) entry(f pallet.File) (e layers.File, err error) {
	switch f.Mode.Type() {
	case fs.ModeDir:
		return layers.File{Type: "directory", Mode: tree.FromFileMode(f.Mode)}, nil
	case fs.ModeSymlink:
		return layers.File{Type: "symlink", Mode: 0o777, Target: f.Target}, nil
	case 0:
		e = layers.File{Type: "file", Mode: tree.FromFileMode(f.Mode), Content: string(f.Content)}
		if f.Source == "" {
			return e, nil
		}
		if e.Source, e.Cached, err = p.find(f.Source); err != nil {
			return e, err
		}
		e.SHA256, err = Digest(f.Source)
		return e, err
	}
	return e, fmt.Errorf("bundle: %s is a %s", f.Path, f.Mode.Type())
}

// places are the directories to which the sources of a plan are relative, so that it is the same on any machine.
type places struct{ recipe, cache string }

// find names a file by its path relative to the cache, if it lies there, else to the recipe.
func (p places) find(name string) (below string, cached bool, err error) {
	if p.cache != "" {
		if below, err = relative(filepath.Join(p.cache, palletsDir), name); err == nil && filepath.IsLocal(below) {
			return filepath.Join(palletsDir, below), true, nil
		}
	}
	below, err = relative(p.recipe, name)
	return below, false, err
}

// relative is the path of a file relative to a directory, both of which may be relative themselves.
func relative(dir, name string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if name, err = filepath.Abs(name); err != nil {
		return "", err
	}
	return filepath.Rel(dir, name)
}
