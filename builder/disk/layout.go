package disk

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Layout describes a disk as a Raspberry Pi boots it: an MBR with up to four partitions, of which the first one is FAT32
// and holds the firmware. Sizes are in bytes; those of partitions are rounded up to a multiple of 4 MiB.
type Layout struct {
	Signature  uint32      `json:"signature"`      // of the disk; PARTUUIDs consist of it and the partition's number
	Size       int64       `json:"size,omitempty"` // of the disk, rounded down to 4 MiB; 0: as small as the partitions allow
	Time       time.Time   `json:"time"`           // creation time of the file systems
	Partitions []Partition `json:"partitions"`     // in the order of their numbers
}

// Partition describes one partition: its mount point and file system. It receives the files below the mount point.
//
// Partitions with a size come first on the disk. The last one without a size takes what Layout.Size leaves, and can
// grow to the end of a card.
type Partition struct {
	Mount  string    `json:"mount"` // mount point: the directory's absolute path, "/" for the root file system
	Format Format    `json:"format"`
	Label  string    `json:"label,omitempty"`
	UUID   uuid.UUID `json:"uuid,omitzero"`    // of ext4
	Serial uint32    `json:"serial,omitempty"` // volume ID of FAT32
	Size   int64     `json:"size,omitempty"`   // 0: as small as the files and Free allow
	Free   int64     `json:"free,omitempty"`   // room to leave in a partition without a size
}

// Format is the type of file system in a partition: ext4 or FAT32.
type Format string

// The formats.
const (
	FAT32 Format = "fat32"
	Ext4  Format = "ext4"
)

// Firmware is the mount point of the boot partition.
const Firmware = "/boot/firmware"

// Name returns the name of a partition in messages: boot, root, or the mount point without its first slash.
func (p Partition) Name() string {
	switch p.Mount {
	case "/":
		return "root"
	case Firmware:
		return "boot"
	}
	return strings.TrimPrefix(p.Mount, "/")
}

// path returns the path in the booted system of a file in the partition.
func (p Partition) path(name string) string { return path.Join(p.Mount, name) }

// order returns the partitions' indexes in the order of the disk.
func (l Layout) order() (sized []int) {
	var rest []int
	for i, p := range l.Partitions {
		if p.Size > 0 {
			sized = append(sized, i)
		} else {
			rest = append(rest, i)
		}
	}
	return append(sized, rest...)
}

// split cuts the directories of the partitions out of a tree, the innermost first, and returns a tree for each.
func (l Layout) split(t *tree.Tree) []*tree.Tree {
	trees := make([]*tree.Tree, len(l.Partitions))
	indexes := l.order()
	slices.SortStableFunc(indexes, func(a, b int) int {
		return len(l.Partitions[b].Mount) - len(l.Partitions[a].Mount)
	})
	for _, i := range indexes {
		if mount := l.Partitions[i].Mount; mount == "/" {
			trees[i] = t
		} else {
			trees[i] = t.Cut(mount)
		}
	}
	return trees
}
