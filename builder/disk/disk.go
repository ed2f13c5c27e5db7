// Package disk writes the image of a whole disk from a tree of files: partition table, boot partition, root partition.
//
// It needs no root, mounts nothing and calls no program. Formats: the MBR of the PC, FAT32 (Microsoft's "FAT32 File
// System Specification", 1.03) and ext4 (docs.kernel.org/filesystems/ext4).
package disk

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/PlanktoScope/pkbuild/builder/disk/ext4"
	"github.com/PlanktoScope/pkbuild/layers"
)

// Layout describes a disk as a Raspberry Pi starts from it: an MBR, partition 1 with FAT32 for what lies below
// /boot/firmware, partition 2 with ext4 for all else. Sizes are in bytes.
type Layout struct {
	Signature uint32    `json:"signature"` // of the disk: PARTUUIDs are made of it
	Time      time.Time `json:"time"`      // of the file systems' making
	Boot      Boot      `json:"boot"`
	Root      Root      `json:"root"`
}

// Boot is the boot partition.
type Boot struct {
	Label  string `json:"label"`
	Size   int64  `json:"size"`
	Serial uint32 `json:"serial"` // volume ID
}

// Root is the root partition. Its size follows from the tree.
type Root struct {
	Label string    `json:"label"`
	UUID  uuid.UUID `json:"uuid"`
	Free  int64     `json:"free"` // room for more
}

// align is where partitions start: a multiple of the erase blocks of SD cards.
const align = 4 << 20

// firmware is the directory that becomes the boot partition.
const firmware = "boot/firmware"

// Write writes the disk to an empty file. The tree's boot directory is cut out of it.
func Write(ctx context.Context, f *os.File, t *layers.Tree, l Layout, progress func(done, total int64)) error {
	boot := t.Cut(firmware)
	root := l.root()
	size, err := ext4.MinSize(t, root, l.Root.Free)
	if err != nil {
		return fmt.Errorf("root partition: %w", err)
	}
	parts := []partition{
		{kind: typeFAT32, start: align, size: roundUp(l.Boot.Size, align)},
		{kind: typeLinux, start: align + roundUp(l.Boot.Size, align), size: roundUp(size, align)},
	}
	root.Size = parts[1].size
	total := parts[1].start + root.Size
	if err := f.Truncate(total); err != nil {
		return fmt.Errorf("make room for %d bytes: %w", total, err)
	}
	if err := writeMBR(f, l.Signature, parts); err != nil {
		return fmt.Errorf("partition table: %w", err)
	}
	progress(0, total)
	if err := writeFAT(ctx, f, parts[0], boot, l.Boot, l.Time); err != nil {
		return fmt.Errorf("boot partition: %w", err)
	}
	progress(parts[1].start, total)
	if err := ext4.Write(ctx, f, parts[1].start, t, root); err != nil {
		return fmt.Errorf("root partition: %w", err)
	}
	progress(total, total)
	return nil
}

// reservedPercent of the root file system are for root alone, so that a full one can still be logged in to.
const reservedPercent = 5

func (l Layout) root() ext4.Options {
	return ext4.Options{UUID: l.Root.UUID, Label: l.Root.Label, Now: l.Time, ReservedPercent: reservedPercent, Align: align}
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
