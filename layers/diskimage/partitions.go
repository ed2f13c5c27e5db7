package diskimage

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/mbr"
)

const sector = 512

// partition is a partition of an MBR. Logical ones have numbers from 5 on.
type partition struct {
	number      uint32
	kind        mbr.Type
	start, size int64 // in bytes
}

func (p partition) end() int64 { return p.start + p.size }

func (p partition) isExtended() bool {
	return p.kind == mbr.ExtendedCHS || p.kind == mbr.ExtendedLBA || p.kind == mbr.LinuxExtended
}

// typeNames are the types of partitions that images for single-board computers have.
var typeNames = map[mbr.Type]string{
	mbr.Fat12: "FAT12", mbr.Fat16: "FAT16", mbr.Fat16b: "FAT16", mbr.Fat16bLBA: "FAT16", mbr.Fat32CHS: "FAT32", mbr.Fat32LBA: "FAT32",
	mbr.NTFS: "NTFS or exFAT", mbr.ExtendedCHS: "extended", mbr.ExtendedLBA: "extended", mbr.LinuxExtended: "extended",
	mbr.LinuxSwap: "Linux swap", mbr.Linux: "Linux", mbr.LinuxLVM: "Linux LVM", 0xda: "non-file-system data", mbr.EFISystem: "EFI system",
	0xfd: "Linux RAID",
}

// describe returns number, type, size and content of a partition, for messages.
func (p partition) describe(content string) string {
	kind := fmt.Sprintf("type %#02x", uint8(p.kind))
	if name := typeNames[p.kind]; name != "" {
		kind += " " + name
	}
	if content != "" && !p.isExtended() {
		content = ", holds " + content
	} else {
		content = ""
	}
	return fmt.Sprintf("partition %d (%s, %.1f MiB%s)", p.number, kind, float64(p.size)/(1<<20), content)
}

// readPartitions reads the partitions of an image. It fails if there is no MBR, or one that cannot be right.
func readPartitions(image *os.File) ([]partition, error) {
	info, err := image.Stat()
	if err != nil {
		return nil, err
	}
	storage := file.New(image, true)
	table, err := mbr.Read(storage, sector, sector)
	if err != nil {
		return nil, noTable(image)
	}
	var all []partition
	for _, p := range table.Partitions {
		if p.Type == mbr.Empty || p.Size == 0 {
			continue
		}
		all = append(all, partition{uint32(p.Index), p.Type, p.GetStart(), p.GetSize()})
		if last := all[len(all)-1]; last.isExtended() {
			logical, err := readLogical(storage, last, info.Size())
			if err != nil {
				return nil, err
			}
			all = append(all, logical...)
		}
	}
	if len(all) == 0 {
		return nil, noTable(image)
	}
	slices.SortFunc(all, func(a, b partition) int { return cmp.Compare(a.number, b.number) })
	return all, checkTable(image, all, info.Size())
}

// maxLogical is the number of logical partitions up to which Linux has device numbers.
const maxLogical = 60

// readLogical reads the logical partitions in an extended one. Each has a table of its own in front, with an entry for
// the partition and one for the next table.
func readLogical(storage backend.Storage, extended partition, size int64) ([]partition, error) {
	var all []partition
	at := extended.start
	for range maxLogical {
		if at >= size {
			return all, nil // checkTable says so
		}
		table, err := mbr.Read(backend.Sub(storage, at, sector), sector, sector)
		if err != nil {
			return nil, fmt.Errorf("partition %d (extended): table at byte %d: %w", extended.number, at, err)
		}
		first, next := table.Partitions[0], table.Partitions[1]
		if first.Type != mbr.Empty && first.Size > 0 {
			all = append(all, partition{5 + uint32(len(all)), first.Type, at + first.GetStart(), first.GetSize()})
		}
		if next.Type == mbr.Empty || next.Size == 0 {
			return all, nil
		}
		at = extended.start + next.GetStart()
	}
	return nil, fmt.Errorf("partition %d (extended) has more than %d logical partitions", extended.number, maxLogical)
}

// noTable returns why a file without an MBR is not a disk image.
func noTable(image io.ReaderAt) error {
	const want = "want a raw disk image with an MBR"
	for _, c := range containers {
		if found, err := c.matches(image, 0); err != nil || found {
			return errors.Join(err, fmt.Errorf("image file is %s, %s: %s", c.name, want, c.hint))
		}
	}
	name, err := identify(image, 0)
	if err != nil {
		return err
	}
	if name != "" {
		return fmt.Errorf("image file is %s without a partition table, %s", name, want)
	}
	return fmt.Errorf("image file has no partition table, %s", want)
}

// checkTable fails on GPT, on sectors of 4096 bytes, and on partitions that overlap or are not in the image.
func checkTable(image io.ReaderAt, all []partition, size int64) error {
	for _, p := range all {
		if p.kind == mbr.GPTProtective {
			kind := "GPT"
			if len(all) > 1 {
				kind = "GPT with a hybrid MBR"
			}
			return fmt.Errorf("partition table is %s, want MBR: convert a copy of the image with sgdisk --gpttombr=1:2", kind)
		}
	}
	if large, err := hasLargeSectors(image, all); err != nil || large {
		return errors.Join(err, errors.New("partition table counts sectors of 4096 bytes, want 512: the image is for another kind of disk"))
	}
	for i, p := range all {
		if p.end() > size {
			return fmt.Errorf("image ends at byte %d, within or before partition %d, which ends at %d: download the image again",
				size, p.number, p.end())
		}
		for _, other := range all[:i] {
			inside := other.isExtended() && p.number >= 5
			if !inside && p.start < other.end() && other.start < p.end() {
				return fmt.Errorf("partitions %d and %d overlap", other.number, p.number)
			}
		}
	}
	return nil
}

// hasLargeSectors reports whether the first partition makes sense only in sectors of 4096 bytes.
func hasLargeSectors(image io.ReaderAt, all []partition) (bool, error) {
	name, err := identify(image, all[0].start)
	if err != nil || name != "" {
		return false, err
	}
	name, err = identify(image, all[0].start*(4096/sector))
	return name != "", err
}
