package fat

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Options are the properties of a FAT32 file system besides its files: size, label, volume ID and times. Sizes are in
// bytes.
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

// FileSystem is a FAT32 file system in memory: its tree is laid out, and Write has yet to write it.
type FileSystem struct {
	geometry
	options Options
	label   [11]byte
	tree    *tree.Tree
	files   []*file // in the order of their clusters
	next    uint32  // first free cluster
}

// Prepare lays a tree out as a FAT32 file system of o.Size bytes or, if that is zero, of the smallest size that leaves
// o.Free bytes. It fails if the files do not fit in o.Size, or if FAT32 cannot store a file, which the error names. The tree
// must not change afterwards.
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

// Tree returns the tree of files that the file system holds.
func (fs *FileSystem) Tree() *tree.Tree { return fs.tree }

// Size returns the size of the file system in bytes.
func (fs *FileSystem) Size() int64 { return fs.size }

// Mapped returns the number of bytes that Write writes. The rest of the partition are holes.
func (fs *FileSystem) Mapped() int64 {
	return fs.reserved + fs.copies*fs.usedFAT() + roundUp(fs.offset(fs.next)-fs.data(), blockSize)
}

// Write writes the file system at an offset of w, in ascending order and in whole blocks of 4 KiB. It skips blocks that
// nothing refers to.
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
