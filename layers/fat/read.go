package fat

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"path"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Read reads the FAT32 file system in the size bytes of r from an offset on into a tree. Directories and files get mode
// 0755 and belong to root. Contents stay in r, which must stay open as long as the tree is used. Read fails for other
// file systems, which the error names, and for damage such as cluster chains that meet or end early.
func Read(ctx context.Context, r io.ReaderAt, offset, size int64) (*tree.Tree, error) {
	v, err := openVolume(r, offset, size)
	if err != nil {
		return nil, err
	}
	return v.files(ctx)
}

func (v *volume) files(ctx context.Context) (*tree.Tree, error) {
	t := tree.New()
	t.Root.Mode = readMode
	if err := v.readTree(ctx, t, "", v.rootCluster); err != nil {
		return nil, err
	}
	return t, nil
}

// readMode is the mode that Linux gives all files of FAT by default.
const readMode = 0o755

// openVolume reads the boot sector.
func openVolume(r io.ReaderAt, start, size int64) (*volume, error) {
	v := &volume{r: r, start: start, page: make([]byte, pageSize), pageAt: -1}
	b := make([]byte, sectorSize)
	if err := v.read(b, 0); err != nil {
		return nil, fmt.Errorf("read boot sector: %w", err)
	}
	var boot bootSector
	decode(b, &boot)
	if err := boot.check(binary.LittleEndian.Uint16(b[sectorSize-2:])); err != nil {
		return nil, err
	}
	sector := int64(boot.BytesPerSector)
	v.cluster = int64(boot.SectorsPerCluster) * sector
	v.reserved = int64(boot.ReservedSectors) * sector
	v.fat = int64(boot.FATSectors) * sector
	v.size = int64(boot.Sectors) * sector
	v.copies = int64(boot.FATs)
	v.table, v.rootCluster = v.reserved, boot.RootCluster
	if active := int64(boot.Flags & 0xf); boot.Flags&0x80 != 0 && active < v.copies {
		v.table += active * v.fat
	}
	if v.size > size {
		return nil, fmt.Errorf("file system of %d bytes is larger than its partition of %d bytes", v.size, size)
	}
	clusters := (v.size - v.data()) / v.cluster
	if entries := v.fat/4 - firstData; clusters <= 0 || clusters > entries {
		return nil, fmt.Errorf("FAT of %d bytes has no room for %d clusters", v.fat, clusters)
	}
	v.clusters = uint32(min(clusters, maxClusters))
	v.used = make(bitmap, (v.clusters+firstData)/64+1)
	return v, nil
}

// check fails unless the fields are those of a FAT32.
func (s *bootSector) check(signature uint16) error {
	switch string(s.OEM[:]) {
	case "EXFAT   ":
		return fmt.Errorf("file system is exFAT, want FAT32")
	case "NTFS    ":
		return fmt.Errorf("file system is NTFS, want FAT32")
	}
	powerOfTwo := func(n int) bool { return bits.OnesCount(uint(n)) == 1 }
	size, cluster := int(s.BytesPerSector), int(s.SectorsPerCluster)
	switch {
	case signature != bootSignature:
		return fmt.Errorf("boot sector has signature %#04x, want %#04x of a FAT file system", signature, bootSignature)
	case !powerOfTwo(size) || size < 512 || size > 4096 || !powerOfTwo(cluster) || s.ReservedSectors == 0 || s.FATs == 0:
		return fmt.Errorf("boot sector is not that of a FAT file system")
	case s.FATSectors16 != 0 || s.RootEntries16 != 0:
		return fmt.Errorf("file system is %s, want FAT32", s.oldType())
	case s.Sectors == 0 || s.FATSectors == 0:
		return fmt.Errorf("boot sector is damaged: %d sectors in the file system, %d in a FAT", s.Sectors, s.FATSectors)
	}
	return nil
}

// oldType tells FAT12 from FAT16, by the number of clusters as the specification has it.
func (s *bootSector) oldType() string {
	sectors := int64(s.Sectors)
	if s.Sectors16 != 0 {
		sectors = int64(s.Sectors16)
	}
	root := roundUp(int64(s.RootEntries16)*entrySize, int64(s.BytesPerSector)) / int64(s.BytesPerSector)
	data := sectors - int64(s.ReservedSectors) - int64(s.FATs)*int64(s.FATSectors16) - root
	if data/int64(s.SectorsPerCluster) < 4085 {
		return "FAT12"
	}
	return "FAT16"
}

// readTree reads a directory and all below it into a tree.
func (v *volume) readTree(ctx context.Context, t *tree.Tree, dir string, cluster uint32) error {
	entries, err := v.readDirectory(cluster)
	if err != nil {
		return fmt.Errorf("/%s: %w", dir, err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := path.Join(dir, e.name)
		if t.Get(name) != nil {
			return fmt.Errorf("/%s: name appears twice in its directory", name)
		}
		n := &tree.Node{Mode: readMode, ModTime: e.time()}
		if e.Attributes&attrDirectory == 0 {
			n.Type = tree.Regular
			if n.Content, err = v.content(v.first(e), int64(e.Size)); err != nil {
				return fmt.Errorf("/%s: %w", name, err)
			}
		}
		if err := t.Put(name, n); err != nil {
			return err
		}
		if n.Type == tree.Directory {
			if err := v.readTree(ctx, t, name, v.first(e)); err != nil {
				return err
			}
		}
	}
	return nil
}
