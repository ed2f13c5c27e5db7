package disk

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// fatBuffer is what go-diskfs is given at a time: with each piece it writes the tables as a whole.
const fatBuffer = 8 << 20

// writeFAT writes a tree as FAT32, and tells where data lies. Owners, modes and xattrs have no place there; symlinks
// and devices are errors.
func writeFAT(ctx context.Context, f *os.File, p partition, t *tree.Tree, b Boot, when time.Time) ([]span, error) {
	fs, err := fat32.Create(backend.Sub(file.New(f, false), p.start, p.size), p.size, 0, sector, b.Label, true)
	if err != nil {
		return nil, err
	}
	buffer := make([]byte, fatBuffer)
	for name, n := range t.Walk() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if name == "" {
			continue
		}
		if err := writeFATEntry(fs, "/"+name, n, buffer); err != nil {
			return nil, fmt.Errorf("/%s: %w", name, err)
		}
	}
	if err := fs.Close(); err != nil {
		return nil, err
	}
	return repairFAT(f, p, b.Serial, when)
}

func writeFATEntry(fs *fat32.FileSystem, name string, n *tree.Node, buffer []byte) error {
	switch n.Type {
	case tree.Directory:
		return fs.Mkdir(name)
	case tree.Regular:
		w, err := fs.OpenFile(name, os.O_CREATE|os.O_RDWR)
		if err != nil {
			return err
		}
		if _, err := io.CopyBuffer(w, n.Content.Reader(), buffer); err != nil {
			return err
		}
		return w.Close()
	}
	return fmt.Errorf("FAT cannot hold a %s", n.Type)
}

// fatBytes is the number of bytes that a tree takes in a FAT32 file system of a size at most.
func fatBytes(size int64, t *tree.Tree) int64 {
	const reserved, entry = 32 * sector, 32
	cluster := int64(4096)
	if size <= 260<<20 { // what go-diskfs makes of so many bytes
		cluster = 512
	}
	n := roundUp(reserved+2*4*(size/cluster+2), blockSize)
	for name, node := range t.Walk() {
		n += roundUp(node.Content.Size, blockSize)
		n += entry * int64(2+len(path.Base(name))/6) // a long name has 13 letters, of up to four bytes, in an entry
		if node.Type == tree.Directory {
			n += 2 * blockSize
		}
	}
	return min(n, size)
}
