package fat

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Options are what a file system is, apart from its tree. Sizes are in bytes.
type Options struct {
	Size   int64     // of the partition; 0: as small as the tree and Free allow
	Free   int64     // room to leave, where Size is 0
	Align  int64     // makes a Size of 0 a multiple of so many bytes
	GrowTo int64     // the FATs have room for a file system of this size
	Start  int64     // of the partition on its disk
	Label  string    // at most 11 characters
	Serial uint32    // the volume ID
	Now    time.Time // time of entries that have none
}

// FileSystem is a tree laid out as a FAT32 file system that is not written yet.
type FileSystem struct {
	geometry
	options Options
	label   [11]byte
	tree    *tree.Tree
	files   []*file // in the order of their clusters
	next    uint32  // first free cluster
}

// Prepare lays a tree out. The tree must not change afterwards. It fails where FAT32 cannot hold a file, naming it, or
// where the files need more than o.Size.
func Prepare(t *tree.Tree, o Options) (*FileSystem, error) {
	label, err := encodeLabel(o.Label)
	if err != nil {
		return nil, err
	}
	files, err := survey(t, o.Label)
	if err != nil {
		return nil, err
	}
	fs := &FileSystem{options: o, label: label, tree: t, files: files}
	if o.Size == 0 {
		fs.geometry = fs.smallest()
	} else if fs.geometry, err = fit(o.Size, o.GrowTo); err != nil {
		return nil, err
	}
	if need := fs.needs(fs.cluster); need > int64(fs.clusters) {
		return nil, fmt.Errorf("files need %s, and a FAT32 file system of %s has room for %s",
			mib(need*fs.cluster), mib(fs.size), mib(int64(fs.clusters)*fs.cluster))
	}
	fs.allocate()
	return fs, nil
}

// needs is the number of clusters of a size that all files take.
func (fs *FileSystem) needs(cluster int64) (n int64) {
	for _, f := range fs.files {
		n += f.needs(cluster)
	}
	return n
}

// smallest is the least geometry that holds all files and leaves room.
func (fs *FileSystem) smallest() geometry {
	o := fs.options
	cluster := int64(sectorSize)
	if o.GrowTo > 0 {
		cluster = growCluster
	}
	for ; ; cluster *= 2 {
		g := smallest(fs.needs(cluster)+roundUp(o.Free, cluster)/cluster, cluster, o.GrowTo)
		if o.Align > 0 {
			g = newGeometry(roundUp(g.size, o.Align), cluster, o.GrowTo)
		}
		if o.GrowTo > 0 || cluster == maxCluster || clusterSize(g.size) <= cluster || g.clusters/2 < minClusters {
			return g
		}
	}
}

// allocate gives clusters to files in their order.
func (fs *FileSystem) allocate() {
	fs.next = firstData
	for _, f := range fs.files {
		if f.clusters = uint32(f.needs(fs.cluster)); f.clusters > 0 {
			f.first = fs.next
			fs.next += f.clusters
		}
	}
}

// Tree is the tree of the file system.
func (fs *FileSystem) Tree() *tree.Tree { return fs.tree }

// Size is the size of the partition, in bytes.
func (fs *FileSystem) Size() int64 { return fs.size }

// Mapped is the number of bytes that Write writes.
func (fs *FileSystem) Mapped() int64 {
	return fs.reserved + fs.copies*fs.usedFAT() + roundUp(fs.offset(fs.next)-fs.data(), blockSize)
}

// Write writes the file system from an offset on, front to back, in whole blocks of 4 KiB. Nobody reads what it leaves
// out.
func (fs *FileSystem) Write(ctx context.Context, w io.WriterAt, offset int64) error {
	out := &output{to: w, base: offset, buffer: make([]byte, 0, bufferSize)}
	if err := fs.writeHeader(out); err != nil {
		return err
	}
	if err := out.skipTo(fs.data()); err != nil {
		return err
	}
	for _, f := range fs.files {
		if err := fs.writeFile(ctx, out, f); err != nil {
			return fmt.Errorf("/%s: %w", f.path, err)
		}
	}
	if err := out.fillTo(roundUp(fs.offset(fs.next), blockSize)); err != nil {
		return err
	}
	return out.flush()
}
