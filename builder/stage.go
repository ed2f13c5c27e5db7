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
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// bundle is the index of the bundle that an image starts with.
const bundle = 1

// stageEntries bundles a pallet and lists the bundle and the stage store around it as the entries of a files layer.
func stageEntries(dir string, s recipes.Stage) ([]layers.File, error) {
	p, err := pallet.Read(filepath.Join(dir, s.Pallet))
	if err != nil {
		return nil, err
	}
	b, err := p.Bundle(context.Background(), pallet.Options{})
	if err != nil {
		return nil, err
	}
	file, err := stages.NewStore(bundle, s.Names...).Marshal()
	if err != nil {
		return nil, err
	}
	entries, err := bundleEntries(dir, b)
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
func bundleEntries(dir string, b *pallet.Bundle) ([]layers.File, error) {
	out := []layers.File{{Path: pallet.ManifestFile, Type: "file", Mode: 0o644, Content: string(b.Manifest)}}
	digests := []store.Entry{store.NewEntry(pallet.ManifestFile, 0o644, sum(b.Manifest), "")}
	for _, f := range b.Files {
		e, err := bundleEntry(dir, f)
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

func bundleEntry(dir string, f pallet.File) (e layers.File, err error) {
	switch f.Mode.Type() {
	case fs.ModeDir:
		return layers.File{Type: "directory", Mode: layers.FromFileMode(f.Mode)}, nil
	case fs.ModeSymlink:
		return layers.File{Type: "symlink", Mode: 0o777, Target: f.Target}, nil
	case 0:
		e = layers.File{Type: "file", Mode: layers.FromFileMode(f.Mode), Content: string(f.Content)}
		if f.Source == "" {
			return e, nil
		}
		if e.Source, err = filepath.Rel(dir, f.Source); err != nil {
			return e, err
		}
		e.SHA256, err = Digest(f.Source)
		return e, err
	}
	return e, fmt.Errorf("bundle: %s is a %s", f.Path, f.Mode.Type())
}
