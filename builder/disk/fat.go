package disk

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"

	"github.com/PlanktoScope/pkbuild/layers"
)

// writeFAT writes a tree as FAT32. Owners, modes and xattrs have no place there; symlinks and devices are errors.
func writeFAT(ctx context.Context, f *os.File, p partition, t *layers.Tree, b Boot, when time.Time) error {
	fs, err := fat32.Create(backend.Sub(file.New(f, false), p.start, p.size), p.size, 0, sector, b.Label, true)
	if err != nil {
		return err
	}
	for name, n := range t.Walk() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if name == "" {
			continue
		}
		if err := writeFATEntry(fs, "/"+name, n); err != nil {
			return fmt.Errorf("/%s: %w", name, err)
		}
	}
	if err := fs.Close(); err != nil {
		return err
	}
	return repairFAT(f, p, b.Serial, when)
}

func writeFATEntry(fs *fat32.FileSystem, name string, n *layers.Node) error {
	switch n.Type {
	case layers.Directory:
		return fs.Mkdir(name)
	case layers.Regular:
		w, err := fs.OpenFile(name, os.O_CREATE|os.O_RDWR)
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, n.Content.Reader()); err != nil {
			return err
		}
		return w.Close()
	}
	return fmt.Errorf("FAT cannot hold a %s", n.Type)
}
