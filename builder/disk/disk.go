// Package disk writes the image of a whole disk from a tree of files: partition table, boot partition, root partition,
// and beside it what is known of it when it is written: its checksum and its block map.
//
// It needs no root, mounts nothing and calls no program. Formats: the MBR of the PC, FAT32 (Microsoft's "FAT32 File
// System Specification", 1.03), ext4 (docs.kernel.org/filesystems/ext4), bmap 2.0 (github.com/yoctoproject/bmaptool).
package disk

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/google/uuid"

	"github.com/PlanktoScope/pkbuild/layers/ext4"
	"github.com/PlanktoScope/pkbuild/layers/fat"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Layout describes a disk as a Raspberry Pi starts from it: an MBR, partition 1 with FAT32 for what lies below
// /boot/firmware, partition 2 with ext4 for all else. Sizes are in bytes.
type Layout struct {
	Signature uint32    `json:"signature"`      // of the disk: PARTUUIDs are made of it
	Size      int64     `json:"size,omitempty"` // of the whole disk, rounded down to align; 0: as large as needed
	Time      time.Time `json:"time"`           // of the file systems' making
	Boot      Boot      `json:"boot"`
	Root      Root      `json:"root"`
}

// Boot is the boot partition.
type Boot struct {
	Label  string `json:"label"`
	Size   int64  `json:"size"`
	Serial uint32 `json:"serial"` // volume ID
}

// Root is the root partition. Its size follows from the tree, or from that of the disk.
type Root struct {
	Label string    `json:"label"`
	UUID  uuid.UUID `json:"uuid"`
	Free  int64     `json:"free"` // room for more
}

// partition is a place on the disk, in bytes.
type partition struct {
	kind        byte // in the MBR
	start, size int64
}

// align is where partitions start: a multiple of the erase blocks of SD cards.
const align = 4 << 20

// firmware is the directory that becomes the boot partition.
const firmware = "boot/firmware"

// Disk is a tree laid out as a disk that is not written yet.
type Disk struct {
	layout Layout
	parts  []partition
	boot   *fat.FileSystem
	root   *ext4.FileSystem
}

// Prepare lays a tree out. The boot directory is cut out of it, and it must not change afterwards.
func Prepare(t *tree.Tree, l Layout) (*Disk, error) {
	bootSize := roundUp(l.Boot.Size, align)
	boot, err := fat.Prepare(t.Cut(firmware), fat.Options{
		Size: bootSize, Start: align, Label: l.Boot.Label, Serial: l.Boot.Serial, Now: l.Time,
	})
	if err != nil {
		return nil, fmt.Errorf("boot partition: %w", err)
	}
	d := &Disk{layout: l, boot: boot}
	start := align + bootSize
	o := l.root()
	needed, err := ext4.Prepare(t, o, l.Root.Free)
	if err != nil {
		return nil, fmt.Errorf("root partition: %w", err)
	}
	d.root = needed
	if whole := l.Size / align * align; l.Size > 0 {
		if need := start + roundUp(needed.Size(), align); whole < need {
			const mib = 1 << 20
			return nil, fmt.Errorf("a disk of %d MiB is too small: it needs %d MiB, %d MiB for the boot partition and %d MiB "+
				"for the root partition, with the %s that are to be free there; make disk.size or what is in it fit",
				l.Size/mib, need/mib, start/mib, (need-start)/mib, humanize.IBytes(uint64(l.Root.Free)))
		}
		o.Size = whole - start
		if d.root, err = ext4.Prepare(t, o, 0); err != nil {
			return nil, fmt.Errorf("root partition: %w", err)
		}
	}
	d.parts = []partition{
		{kind: typeFAT32, start: align, size: bootSize},
		{kind: typeLinux, start: start, size: roundUp(d.root.Size(), align)},
	}
	return d, nil
}

// reservedPercent of the root file system are for root alone, so that a full one can still be logged in to.
const reservedPercent = 5

func (l Layout) root() ext4.Options {
	return ext4.Options{UUID: l.Root.UUID, Label: l.Root.Label, Now: l.Time, ReservedPercent: reservedPercent, Align: align}
}

// Size is that of the whole disk, in bytes.
func (d *Disk) Size() int64 { return d.parts[1].start + d.parts[1].size }

// Mapped is the number of bytes that the disk holds; all else is holes.
func (d *Disk) Mapped() int64 { return blockSize + d.boot.Mapped() + d.root.Mapped() }

// Write writes the disk, front to back, in whole blocks of 4 KiB. Nobody reads what it leaves out, which need not reach
// a card.
func (d *Disk) Write(ctx context.Context, w io.WriterAt) error {
	table, err := encodeMBR(d.layout.Signature, d.parts)
	if err != nil {
		return fmt.Errorf("partition table: %w", err)
	}
	if _, err := w.WriteAt(table, 0); err != nil {
		return fmt.Errorf("partition table: %w", err)
	}
	if err := d.boot.Write(ctx, w, d.parts[0].start); err != nil {
		return fmt.Errorf("boot partition: %w", err)
	}
	if err := d.root.Write(ctx, w, d.parts[1].start); err != nil {
		return fmt.Errorf("root partition: %w", err)
	}
	return nil
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
