package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/stages"
)

// Writer creates the files of a new bundle. Paths are relative to the bundle; a directory must be created before its
// entries.
type Writer struct {
	ctx     context.Context
	sys     System
	dir     string
	entries []Entry
}

// Add adds a bundle with the files that fill writes and a manifest, and returns its number. It appears under the number
// once all of it is synced, and is not referred to until SetNext or Name. If fill fails, nothing is left.
func (s *Store) Add(ctx context.Context, manifest []byte, fill func(*Writer) error) (stage int, err error) {
	stage, err = s.freeNumber()
	if err != nil {
		return 0, err
	}
	dir := newPrefix + strconv.Itoa(stage)
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("add stage %d: %w", stage, err), s.removeAll(dir))
			stage = 0
		}
	}()
	if err := s.sys.Mkdir(dir, 0o755); err != nil {
		return stage, err
	}
	w := &Writer{ctx: ctx, sys: s.sys, dir: dir}
	if err := fill(w); err != nil {
		return stage, err
	}
	if err := w.finish(manifest); err != nil {
		return stage, err
	}
	if err := s.sys.Rename(dir, bundleDir(stage)); err != nil {
		return stage, err
	}
	return stage, s.sys.SyncDir(".")
}

// Dir creates a directory in the bundle.
func (w *Writer) Dir(name string, mode fs.FileMode) error {
	if err := w.check(name); err != nil {
		return err
	}
	w.entries = append(w.entries, NewEntry(name, fs.ModeDir|mode, "", ""))
	return w.sys.Mkdir(path.Join(w.dir, name), mode.Perm())
}

// Symlink creates a symlink in the bundle.
func (w *Writer) Symlink(name, target string) error {
	if err := w.checkNoLayer(name); err != nil {
		return err
	}
	w.entries = append(w.entries, NewEntry(name, fs.ModeSymlink, "", target))
	return w.sys.Symlink(target, path.Join(w.dir, name))
}

// File creates a regular file in the bundle with the given content.
func (w *Writer) File(name string, mode fs.FileMode, content io.Reader) error {
	if err := w.checkNoLayer(name); err != nil {
		return err
	}
	h := sha256.New()
	if err := create(w.sys, path.Join(w.dir, name), mode.Perm(), io.TeeReader(content, h)); err != nil {
		return err
	}
	w.entries = append(w.entries, regular(name, mode, [sha256.Size]byte(h.Sum(nil))))
	return nil
}

// Pins writes the file of the new bundle that says which container images it uses.
func (w *Writer) Pins(pins images.Pins) error {
	data, err := pins.Marshal()
	if err != nil {
		return err
	}
	return create(w.sys, path.Join(w.dir, images.PinFile), MetadataMode, bytes.NewReader(data))
}

// check returns an error if a path is no valid path in a bundle, or that of a file which Add writes itself.
func (w *Writer) check(name string) error {
	switch {
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	case !fs.ValidPath(name) || name == ".":
		return fmt.Errorf("path %q is not a path in a bundle", name)
	case name == stages.ManifestFile || name == DigestFile || name == images.PinFile:
		return fmt.Errorf("path %s is reserved: it is written with the bundle", name)
	}
	return nil
}

// checkNoLayer is check for a path that is not a directory.
func (w *Writer) checkNoLayer(name string) error {
	if stages.IsLayer(name) {
		return fmt.Errorf("path %s must be a directory", name)
	}
	return w.check(name)
}

// finish writes the metadata of the bundle, and syncs everything.
func (w *Writer) finish(manifest []byte) error {
	files, err := Metadata(manifest, w.entries)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := create(w.sys, path.Join(w.dir, f.Path), MetadataMode, bytes.NewReader(f.Content)); err != nil {
			return err
		}
	}
	return w.sys.SyncAll()
}

// MetadataMode are the permissions of the files of Metadata.
const MetadataMode fs.FileMode = 0o644

// MetadataFile is the path and content of a file that describes its bundle: the digest file or the manifest.
type MetadataFile struct {
	Path    string // relative to the bundle
	Content []byte
}

// Metadata returns the metadata files of a bundle with these entries, in the order in which they must be written: the
// digest file and, last, the manifest. A bundle without a manifest is incomplete.
func Metadata(manifest []byte, entries []Entry) ([]MetadataFile, error) {
	digests, err := MarshalDigests(append(slices.Clone(entries), regular(stages.ManifestFile, MetadataMode, sha256.Sum256(manifest))))
	if err != nil {
		return nil, err
	}
	return []MetadataFile{{DigestFile, digests}, {stages.ManifestFile, manifest}}, nil
}

// create writes a file, which must not exist.
func create(sys System, name string, mode fs.FileMode, content io.Reader) error {
	f, err := sys.Create(name, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}
