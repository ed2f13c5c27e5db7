package builder

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/internal/sha256sum"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/script"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// fileEntries turns the files of a recipe into the entries of a layer: directories are listed with all below them, and
// every source and program gets its digest.
func fileEntries(dir string, files []recipes.File, programs map[string]string) ([]layers.File, error) {
	var out []layers.File
	for _, f := range files {
		base := layers.File{Path: path.Clean(f.Target), UID: f.UID, GID: f.GID, Mode: 0o644}
		if f.Mode != "" {
			mode, err := recipes.ParseMode(f.Mode)
			if err != nil {
				return nil, fmt.Errorf("mode of %s: %w", f.Target, err)
			}
			base.Mode = mode
		}
		switch {
		case f.Link != "":
			base.Type, base.Target, base.Mode = "symlink", f.Link, 0o777
			out = append(out, base)
		case f.Program != "":
			base.Type, base.Program, base.SHA256 = "file", f.Program, programs[f.Program]
			if f.Mode == "" {
				base.Mode = 0o755
			}
			out = append(out, base)
		case f.Source != "":
			entries, err := sourceEntries(dir, base, f)
			if err != nil {
				return nil, err
			}
			out = append(out, entries...)
		default:
			base.Type, base.Content = "file", f.Content
			out = append(out, base)
		}
	}
	return out, nil
}

// script is the layer of a script, with the digests of what it reads.
func (p *Plan) script(dir string, r recipes.Run) (script.Layer, error) {
	l := script.Layer{Architecture: p.Architecture, Date: p.Date, Script: r.Script, Network: r.Network, Secrets: r.Secrets}
	if r.File != "" {
		text, err := os.ReadFile(layers.Locate(dir, r.File))
		if err != nil {
			return l, err
		}
		l.Script = string(text)
	}
	var inputs []recipes.File
	for _, source := range r.Inputs {
		inputs = append(inputs, recipes.File{Target: "/" + filepath.Base(source), Source: source})
	}
	var err error
	l.Inputs, err = fileEntries(dir, inputs, nil)
	return l, err
}

// sourceEntries lists a source, which is a file or a directory. Permissions are 0644, or 0755 for what its owner may
// execute and for directories, whatever the umask of the checkout was.
func sourceEntries(dir string, base layers.File, f recipes.File) ([]layers.File, error) {
	var out []layers.File
	from := layers.Locate(dir, f.Source)
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		e := base
		e.Path = path.Join(base.Path, filepath.ToSlash(below))
		if d.IsDir() && (e.Path == base.Path || e.UID == 0 && e.GID == 0) {
			return nil // a directory that is there already keeps its owner and mode
		}
		if err := describe(dir, name, &e, f.Mode == ""); err != nil {
			return err
		}
		out = append(out, e)
		return nil
	})
	return out, err
}

// describe fills in what the file at a path is.
func describe(dir, name string, e *layers.File, mode bool) error {
	info, err := os.Lstat(name)
	if err != nil {
		return err
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		e.Type, e.Mode = "directory", 0o755
	case fs.ModeSymlink:
		e.Type, e.Mode = "symlink", 0o777
		e.Target, err = os.Readlink(name)
		return err
	case 0:
		e.Type = "file"
		if mode {
			e.Mode = 0o644 | uint32(info.Mode().Perm()&0o100)*0o111/0o100
		}
		if e.Source, err = relative(dir, name); err != nil {
			return err
		}
		e.SHA256, err = Digest(name)
		return err
	default:
		return fmt.Errorf("%s is neither a file, a directory nor a symlink", name)
	}
	return nil
}

// Digest returns the SHA-256 of a file in hexadecimal.
func Digest(name string) (string, error) { return sha256sum.File(context.Background(), name) }
