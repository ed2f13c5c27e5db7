package pallet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/stages/pallet/internal/newdir"
)

// Open opens the content of a regular file: Content, or the file at Source. It fails if there is no file at Source.
func (f File) Open() (io.ReadCloser, error) {
	if f.Source == "" {
		return io.NopCloser(bytes.NewReader(f.Content)), nil
	}
	return os.Open(f.Source)
}

// Write writes the bundle to a new directory, which appears under its name once all of it is synced. It fails if the
// directory exists.
func (b *Bundle) Write(ctx context.Context, dir string) error {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("write bundle: %s exists", dir)
	}
	err := newdir.Make(dir, func(tmp string) error {
		for _, f := range append(b.Files, File{Path: ManifestFile, Mode: 0o644, Content: b.Manifest}) {
			if err := errors.Join(ctx.Err(), f.write(filepath.Join(tmp, f.Path))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

// write writes a file of a bundle. No path of a bundle leads through a symlink.
func (f File) write(name string) (err error) {
	switch f.Mode.Type() {
	case fs.ModeDir:
		return errors.Join(os.Mkdir(name, 0o755), os.Chmod(name, f.Mode.Perm()))
	case fs.ModeSymlink:
		return os.Symlink(f.Target, name)
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(f.Mode.Perm()), out.Close())
}
