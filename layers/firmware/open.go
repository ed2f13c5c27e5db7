package firmware

import (
	"context"
	"fmt"
	"os"

	"github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/disk"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/diskfs/go-diskfs/partition/mbr"

	"github.com/PlanktoScope/pkbuild/internal/compress"
	"github.com/PlanktoScope/pkbuild/layers/fat"
)

// Card is an open disk image with its partitions, as the firmware of a Raspberry Pi sees an SD card.
type Card struct {
	Partitions []Partition // in the order of their numbers
	disk       *disk.Disk
}

// OpenCard opens a disk image with an MBR or a GPT and reads the directories of its FAT file systems. The files of the
// partitions can be read until the card is closed. It fails if there is no partition table, the image ends before a
// partition does, or a FAT file system is damaged.
func OpenCard(ctx context.Context, image string) (*Card, error) {
	if _, err := os.Stat(image); err != nil {
		return nil, err // go-diskfs drops the cause
	}
	d, err := diskfs.Open(image, diskfs.WithOpenMode(diskfs.ReadOnly))
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	c := &Card{disk: d}
	if err := c.read(ctx); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("%s: %w", image, err)
	}
	return c, nil
}

// Close closes the disk image.
func (c *Card) Close() error { return c.disk.Close() }

func (c *Card) read(ctx context.Context) error {
	switch table := c.disk.Table.(type) {
	case *mbr.Table:
		for _, p := range table.Partitions {
			if p.Type == mbr.Empty {
				continue
			}
			part := Partition{Number: p.Index, Type: byte(p.Type)}
			if err := c.add(ctx, part, p.GetStart(), p.GetSize()); err != nil {
				return err
			}
		}
		return nil
	case *gpt.Table:
		for i, p := range table.Partitions {
			if p.Type == gpt.Unused {
				continue
			}
			if err := c.add(ctx, Partition{Number: i + 1, GPT: true}, p.GetStart(), p.GetSize()); err != nil {
				return err
			}
		}
		return nil
	}
	magic := make([]byte, compress.HeaderSize)
	_, _ = c.disk.Backend.ReadAt(magic, 0) // an empty file has no format
	if format := compress.Detect(magic); format != compress.None {
		return fmt.Errorf("no partition table (compressed; run: %s)", format.Unpack())
	}
	return fmt.Errorf("no partition table")
}

// add adds a partition. One without a FAT file system has no files.
func (c *Card) add(ctx context.Context, p Partition, start, size int64) error {
	if end := start + size; end > c.disk.Size {
		return fmt.Errorf("image is truncated: it has %d bytes, and partition %d ends at %d", c.disk.Size, p.Number, end)
	}
	if fat.Detect(c.disk.Backend, start) {
		files, width, err := fat.ReadAny(ctx, c.disk.Backend, start, size)
		if err != nil {
			return fmt.Errorf("partition %d: %w", p.Number, err)
		}
		p.FAT, p.Files = width, fat.FS(files)
	}
	c.Partitions = append(c.Partitions, p)
	return nil
}
