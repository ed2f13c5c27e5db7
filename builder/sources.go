package builder

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/script"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// sourceFile is a file of the recipe, or one below a directory of the recipe.
type sourceFile struct {
	below      string // path relative to the named file or directory; "." for itself
	kind       string // "file", "directory" or "symlink"
	executable bool   // by its owner
	target     string // of a symlink
	source     string // path of a file, relative to the recipe or to the cache
	cached     bool   // the path is relative to the cache
	sha256     string // of a file
}

// readFile records a file that the recipe names, or a directory with everything below it. An empty name is ignored.
func (s *Sources) readFile(name string, digests *digests) error {
	if _, known := s.files[name]; known || name == "" {
		return nil
	}
	top := s.locate(name)
	var all []sourceFile
	err := filepath.WalkDir(top, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := s.readSource(top, file, digests)
		all = append(all, f)
		return err
	})
	s.files[name] = all
	return err
}

func (s *Sources) readSource(top, name string, digests *digests) (f sourceFile, err error) {
	if f.below, err = filepath.Rel(top, name); err != nil {
		return f, err
	}
	info, err := os.Lstat(name)
	if err != nil {
		return f, err
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		f.kind = "directory"
	case fs.ModeSymlink:
		f.kind = "symlink"
		f.target, err = os.Readlink(name)
	case 0:
		f.kind, f.executable = "file", info.Mode().Perm()&0o100 != 0
		if f.source, f.cached, err = s.relative(name); err != nil {
			return f, err
		}
		f.sha256, err = digests.of(name)
	default:
		err = fmt.Errorf("%s is neither a file, a directory nor a symlink", name)
	}
	return f, err
}

// refusePrivateKeys returns a problem if a source has a private key, which the image and the cache must not hold.
func (s *Sources) refusePrivateKeys(f *recipes.File) error {
	for _, file := range included(s.files[f.Source], f.Exclude) {
		if file.kind != "file" {
			continue
		}
		name := filepath.Join(s.locate(f.Source), file.below)
		private, err := beginsWithPrivateKey(name)
		if err != nil {
			return err
		}
		if private {
			return s.Recipe.Problem(&f.Source, "%s is a private key, which everybody who has the image could read; write it in a run layer, from a secret", name)
		}
	}
	return nil
}

// beginsWithPrivateKey reports whether the first kilobyte of a file contains the first line of a private key.
func beginsWithPrivateKey(name string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 1<<10))
	return recipes.IsPrivateKey(head), err
}

// readText keeps the content of a file that the recipe names. An empty name is ignored.
func (s *Sources) readText(name string) error {
	if name == "" {
		return nil
	}
	text, err := os.ReadFile(s.locate(name))
	s.texts[name] = string(text)
	return err
}

// compileFiles adds the files of a recipe's layer.
func compileFiles(c *compiler, l recipes.Layer) error {
	entries, err := c.fileEntries(l.Files)
	c.plan.add("files", layers.Files{Entries: entries})
	return err
}

// fileEntries returns the entries of a layer of files: every file below a directory, with the digests of sources and
// programs.
func (c *compiler) fileEntries(files []recipes.File) ([]layers.File, error) {
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
			base.Type, base.Program, base.SHA256, base.Arch = "file", f.Program, c.programs[f.Program], c.foreign()
			if f.Mode == "" {
				base.Mode = 0o755
			}
			out = append(out, base)
		case f.Source != "":
			out = append(out, sourceEntries(base, included(c.sources.files[f.Source], f.Exclude), f.Mode == "")...)
		default:
			base.Type, base.Content = "file", f.Content
			out = append(out, base)
		}
	}
	return out, nil
}

// included returns the files of a source that are not excluded by their paths, or by that of a directory above.
func included(all []sourceFile, exclude []string) []sourceFile {
	return slices.DeleteFunc(slices.Clone(all), func(f sourceFile) bool {
		return slices.ContainsFunc(exclude, func(e string) bool {
			e = path.Clean(e)
			return f.below == e || strings.HasPrefix(f.below, e+"/")
		})
	})
}

// sourceEntries returns the entries of a source file or directory at base.Path. With own modes each is 0644, or 0755 for
// a file that its owner may execute and for a directory, whatever the umask of the checkout was.
func sourceEntries(base layers.File, all []sourceFile, ownModes bool) []layers.File {
	var out []layers.File
	for _, f := range all {
		e := base
		e.Path, e.Type = path.Join(base.Path, filepath.ToSlash(f.below)), f.kind
		switch f.kind {
		case "directory":
			if e.Path == base.Path || e.UID == 0 && e.GID == 0 {
				continue // an existing directory keeps its owner and mode
			}
			e.Mode = 0o755
		case "symlink":
			e.Mode, e.Target = 0o777, f.target
		default:
			if ownModes && f.executable {
				e.Mode = 0o755
			}
			e.Source, e.Cached, e.SHA256 = f.source, f.cached, f.sha256
		}
		out = append(out, e)
	}
	return out
}

// compileRun adds a script with the digests of its inputs.
func compileRun(c *compiler, l recipes.Layer) error {
	r := l.Run
	out := script.Layer{
		Architecture: c.plan.Architecture, Date: c.plan.Date, Script: r.Script, Network: r.Network, Secrets: r.Secrets,
	}
	if r.File != "" {
		out.Script = c.sources.texts[r.File]
	}
	var inputs []recipes.File
	for _, source := range r.Inputs {
		inputs = append(inputs, recipes.File{Target: "/" + filepath.Base(source), Source: source})
	}
	var err error
	out.Inputs, err = c.fileEntries(inputs)
	c.plan.add("run", out)
	return err
}
