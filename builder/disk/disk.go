// Package disk writes a tree of files as a disk image: a partition table and a FAT32 or ext4 file system in each
// partition, and beside the image its checksum and its block map.
//
// It needs no root, mounts nothing and calls no program. It does not boot: layers/boot makes the files that do. Formats:
// the MBR of the PC, FAT32 (layers/fat), ext4 (layers/ext4), bmap 2.0 (github.com/yoctoproject/bmaptool).
package disk

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/PlanktoScope/pkbuild/layers/ext4"
	"github.com/PlanktoScope/pkbuild/layers/fat"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const (
	// align is the unit of partitions: a multiple of the erase blocks of SD cards.
	align = 4 << 20

	// reservedPercent of the root file system are for root alone, so that one can still log in when it is full.
	reservedPercent = 5

	// growTo is the size up to which a FAT32 partition without a size can grow.
	growTo = 512 << 30
)

// Disk is a complete disk in memory: partition table and file systems are laid out, and Write has yet to write them.
type Disk struct {
	table  []byte       // its first block
	parts  []*partition // in the order of their numbers
	onDisk []*partition // in the order of the disk
	size   int64
}

// partition is a partition with its place on the disk, in bytes.
type partition struct {
	Partition
	start, size int64
	fs          fileSystem
}

func (p *partition) end() int64 { return p.start + p.size }

// fileSystem is a tree laid out as a file system that is not written yet.
type fileSystem interface {
	Tree() *tree.Tree
	Size() int64
	Mapped() int64
	Write(ctx context.Context, w io.WriterAt, offset int64) error
	Locate(offset int64) (path, field string)
}

// Prepare lays a tree of files out on a disk: it distributes them to the partitions by mount point. It removes the
// files of other partitions from t, which becomes the tree of the root file system and must not change afterwards. It
// fails if files do not fit, or if a file system cannot store one of them.
func Prepare(t *tree.Tree, l Layout) (*Disk, error) {
	d := &Disk{size: align}
	trees := l.split(t)
	for _, p := range l.Partitions {
		d.parts = append(d.parts, &partition{Partition: p})
	}
	for _, i := range l.order() {
		p := d.parts[i]
		p.start = d.size
		if err := p.prepare(trees[i], l, roundUp(p.Size, align)); err != nil {
			return nil, err
		}
		d.size = p.end()
		d.onDisk = append(d.onDisk, p)
	}
	if err := d.fill(l); err != nil {
		return nil, err
	}
	var err error
	if d.table, err = encodeMBR(l.Signature, d.parts); err != nil {
		return nil, fmt.Errorf("partition table: %w", err)
	}
	return d, nil
}

// fill lets the last partition take the rest of a disk whose size is given.
func (d *Disk) fill(l Layout) error {
	whole := l.Size / align * align
	switch {
	case l.Size == 0:
		return nil
	case whole < d.size:
		return d.tooSmall(whole)
	}
	last := d.onDisk[len(d.onDisk)-1]
	d.size = whole
	if last.Size > 0 || last.end() == whole {
		return nil
	}
	return last.prepare(last.fs.Tree(), l, whole-last.start)
}

// tooSmall returns the error for a disk that is smaller than its partitions.
func (d *Disk) tooSmall(size int64) error {
	var needs []string
	for _, p := range d.onDisk {
		need := fmt.Sprintf("%s %s", p.Name(), humanize.IBytes(uint64(p.size)))
		if p.Size == 0 {
			need += fmt.Sprintf(" with %s free", humanize.IBytes(uint64(p.Free)))
		}
		needs = append(needs, need)
	}
	return fmt.Errorf("disk of %s is too small for its partitions, which need %s (%s): increase disk.size, or decrease what is in it",
		humanize.IBytes(uint64(size)), humanize.IBytes(uint64(d.size)), strings.Join(needs, ", "))
}

// prepare lays a tree out as a file system of a size; 0 means as small as possible.
func (p *partition) prepare(t *tree.Tree, l Layout, size int64) (err error) {
	switch p.Format {
	case FAT32:
		o := fat.Options{Size: size, Free: p.Free, Align: align, Start: p.start, Label: p.Label, Serial: p.Serial, Now: l.Time}
		if p.Size == 0 {
			o.GrowTo = growTo
		}
		p.fs, err = fat.Prepare(t, o)
	case Ext4:
		o := ext4.Options{UUID: p.UUID, Label: p.Label, Size: size, Now: l.Time, Align: align, ChecksumSeed: true}
		if p.Mount == "/" {
			o.ReservedPercent = reservedPercent
		}
		free := p.Free
		if size > 0 {
			free = 0
		}
		p.fs, err = ext4.Prepare(t, o, free)
	default:
		err = fmt.Errorf("partition has the unknown file system format %q", p.Format)
	}
	if err != nil {
		return fmt.Errorf("%s partition: %w", p.Name(), err)
	}
	p.size = max(size, roundUp(p.fs.Size(), align))
	return nil
}

// Size returns the size of the disk, in bytes.
func (d *Disk) Size() int64 { return d.size }

// Mapped returns the number of bytes that Write writes. The other bytes of the disk are holes.
func (d *Disk) Mapped() int64 {
	n := int64(blockSize)
	for _, p := range d.parts {
		n += p.fs.Mapped()
	}
	return n
}

// Write writes the disk in ascending order, in whole blocks of 4 KiB. It skips blocks that no file system refers to, so
// their previous content does not matter.
func (d *Disk) Write(ctx context.Context, w io.WriterAt) error {
	if _, err := w.WriteAt(d.table, 0); err != nil {
		return fmt.Errorf("partition table: %w", err)
	}
	for _, p := range d.onDisk {
		if err := p.fs.Write(ctx, w, p.start); err != nil {
			return fmt.Errorf("%s partition: %w", p.Name(), err)
		}
	}
	return nil
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
