package builder

import (
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

// factoryStage is the number of the stage that an image starts with.
const factoryStage = 1

// factoryBundle is the directory of its bundle on the device.
func factoryBundle() string { return path.Join(stages.Dir, strconv.Itoa(factoryStage)) }

// compileStage adds a stage store with the bundle of a pallet.
func compileStage(c *compiler, l recipes.Layer) error {
	staged, err := c.sources.pallet(l.Stage.Pallet)
	if err != nil {
		return err
	}
	file, err := stages.NewStore(factoryStage, l.Stage.Names...).Marshal()
	if err != nil {
		return err
	}
	out := []layers.File{
		{Path: stages.Dir, Type: "directory", Mode: 0o755},
		{Path: path.Join(stages.Dir, stages.StoreFile), Type: "file", Mode: 0o644, Content: string(file)},
		{Path: factoryBundle(), Type: "directory", Mode: 0o755},
	}
	for _, f := range staged.bundle {
		f.Path = path.Join(factoryBundle(), f.Path)
		out = append(out, f)
	}
	c.plan.add("stage", layers.Files{Entries: out})
	return nil
}

// bundleFiles returns the files of a bundle with the digests by which the device verifies them.
func (p *palletReader) bundleFiles(b *pallet.Bundle) ([]layers.File, error) {
	var out []layers.File
	var entries []store.Entry
	for _, f := range b.Files {
		to, err := p.bundleFile(f)
		if err != nil {
			return nil, err
		}
		out = append(out, to)
		digest := to.SHA256
		if to.Source == "" {
			digest = sum(f.Content)
		}
		entries = append(entries, store.NewEntry(f.Path, f.Mode, digest, f.Target))
	}
	metadata, err := store.Metadata(b.Manifest, entries)
	for _, f := range metadata {
		out = append(out, layers.File{Path: f.Path, Type: "file", Mode: tree.FromFileMode(store.MetadataMode), Content: string(f.Content)})
	}
	return out, err
}

// sum returns the SHA-256 of data in hexadecimal.
func sum[T string | []byte](data T) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(data))) }

func (p *palletReader) bundleFile(f pallet.File) (to layers.File, err error) {
	to = layers.File{Path: f.Path, Mode: tree.FromFileMode(f.Mode)}
	switch f.Mode.Type() {
	case fs.ModeDir:
		to.Type = "directory"
	case fs.ModeSymlink:
		to.Type, to.Mode, to.Target = "symlink", 0o777, f.Target
	case 0:
		to.Type, to.Content = "file", string(f.Content)
		if f.Source == "" {
			return to, nil
		}
		if to.Source, to.Cached, err = p.sources.relative(f.Source); err != nil {
			return to, err
		}
		to.SHA256, err = p.digests.of(f.Source)
	default:
		err = fmt.Errorf("bundle entry %s has type %s, want a file, directory or symlink", f.Path, f.Mode.Type())
	}
	return to, err
}

// relative returns the path of a file relative to the cache if the file lies there, else relative to the recipe, so that
// a plan is the same on every machine.
func (s *Sources) relative(name string) (below string, cached bool, err error) {
	if s.cache != "" {
		if below, err = relative(s.cache, name); err == nil && filepath.IsLocal(below) {
			return below, true, nil
		}
	}
	below, err = relative(s.Recipe.Dir, name)
	return below, false, err
}

// relative returns the path of a file relative to a directory. Both may be relative to the working directory.
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
