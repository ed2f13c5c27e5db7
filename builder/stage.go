package builder

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
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
	store, err := stages.NewStore(bundle, s.Names...).Marshal()
	if err != nil {
		return nil, err
	}
	at := path.Join(stages.Dir, strconv.Itoa(bundle))
	out := []layers.File{
		{Path: stages.Dir, Type: "directory", Mode: 0o755},
		{Path: path.Join(stages.Dir, stages.StoreFile), Type: "file", Mode: 0o644, Content: string(store)},
		{Path: at, Type: "directory", Mode: 0o755},
		{Path: path.Join(at, pallet.ManifestFile), Type: "file", Mode: 0o644, Content: string(b.Manifest)},
	}
	for _, f := range b.Files {
		e, err := bundleEntry(dir, f)
		if err != nil {
			return nil, err
		}
		e.Path = path.Join(at, f.Path)
		out = append(out, e)
	}
	return out, nil
}

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
