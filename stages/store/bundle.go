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
	"strconv"

	"github.com/PlanktoScope/pkbuild/stages"
)

// Writer fills a new bundle. Paths are relative to it; a directory comes before what is in it.
type Writer struct {
	ctx     context.Context
	sys     System
	dir     string
	entries []Entry
}

// Add adds a bundle and returns its number. The bundle exists only once all of it is on the disk; nothing refers to it
// until SetNext or Name is called.
func (s *Store) Add(ctx context.Context, manifest []byte, fill func(*Writer) error) (stage int, err error) {
	stage, err = s.fresh()
	if err != nil {
		return 0, err
	}
	dir := newPrefix + strconv.Itoa(stage)
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("add stage %d: %w", stage, err), s.discard(dir))
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

// Dir makes a directory.
func (w *Writer) Dir(name string, mode fs.FileMode) error {
	if err := w.check(name); err != nil {
		return err
	}
	w.entries = append(w.entries, NewEntry(name, fs.ModeDir|mode, "", ""))
	return w.sys.Mkdir(path.Join(w.dir, name), mode.Perm())
}

// Symlink makes a symlink.
func (w *Writer) Symlink(name, target string) error {
	if err := w.check(name); err != nil {
		return err
	}
	w.entries = append(w.entries, NewEntry(name, fs.ModeSymlink, "", target))
	return w.sys.Symlink(target, path.Join(w.dir, name))
}

// File makes a file.
func (w *Writer) File(name string, mode fs.FileMode, content io.Reader) error {
	if err := w.check(name); err != nil {
		return err
	}
	h := sha256.New()
	if err := create(w.sys, path.Join(w.dir, name), mode.Perm(), io.TeeReader(content, h), false); err != nil {
		return err
	}
	w.entries = append(w.entries, regular(name, mode, [sha256.Size]byte(h.Sum(nil))))
	return nil
}

// check refuses a path that is not the bundle's to fill.
func (w *Writer) check(name string) error {
	switch {
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	case !fs.ValidPath(name) || name == ".":
		return fmt.Errorf("%q is not a path in a bundle", name)
	case name == stages.ManifestFile || name == DigestFile:
		return fmt.Errorf("%s is written with the bundle", name)
	}
	return nil
}

// finish writes the digests and, last, the manifest, which is what makes a bundle one.
func (w *Writer) finish(manifest []byte) error {
	w.entries = append(w.entries, regular(stages.ManifestFile, 0o644, sha256.Sum256(manifest)))
	digests, err := MarshalDigests(w.entries)
	if err != nil {
		return err
	}
	if err := create(w.sys, path.Join(w.dir, DigestFile), 0o644, bytes.NewReader(digests), false); err != nil {
		return err
	}
	if err := create(w.sys, path.Join(w.dir, stages.ManifestFile), 0o644, bytes.NewReader(manifest), false); err != nil {
		return err
	}
	return w.sys.SyncAll()
}

// create writes a file that does not exist yet, and syncs it if asked.
func create(sys System, name string, mode fs.FileMode, content io.Reader, sync bool) error {
	f, err := sys.Create(name, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if sync && err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
