package diskimage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/mbr"

	"github.com/PlanktoScope/pkbuild/layers/boot"
	"github.com/PlanktoScope/pkbuild/layers/ext4"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const sector = 512

// Read reads an image: the root file system, with the boot partition at /boot/firmware. The file stays open as long as
// the tree is used.
func Read(ctx context.Context, image *os.File) (*tree.Tree, error) {
	bootPartition, root, err := partitions(image)
	if err != nil {
		return nil, err
	}
	t, err := ext4.Read(ctx, image, root.GetStart(), root.GetSize())
	if err != nil {
		return nil, fmt.Errorf("partition 2: %w", err)
	}
	t.Remove("lost+found")
	if n := t.Get(boot.Firmware); n == nil || n.Type != tree.Directory {
		return nil, fmt.Errorf("partition 2 has no directory /%s, where Raspberry Pi OS mounts partition 1 since 2023", boot.Firmware)
	}
	fat, err := fat32.Read(file.New(image, true), bootPartition.GetSize(), bootPartition.GetStart(), sector)
	if err != nil {
		return nil, fmt.Errorf("partition 1: %w", err)
	}
	if err := readFAT(ctx, fat, ".", t); err != nil {
		return nil, fmt.Errorf("partition 1: %w", err)
	}
	return t, nil
}

// partitions finds the two partitions of an image that a Raspberry Pi boots.
func partitions(image *os.File) (boot, root *mbr.Partition, err error) {
	info, err := image.Stat()
	if err != nil {
		return nil, nil, err
	}
	table, err := mbr.Read(file.New(image, true), sector, sector)
	if err != nil {
		return nil, nil, errors.New("it is no disk image with an MBR")
	}
	found := map[int]*mbr.Partition{}
	for _, p := range table.Partitions {
		if end := p.GetStart() + p.GetSize(); p.Type != mbr.Empty && end > info.Size() {
			return nil, nil, fmt.Errorf("it ends after %d bytes, within partition %d, which ends at %d", info.Size(), p.Index, end)
		}
		found[p.Index] = p
	}
	boot, root = found[1], found[2]
	if boot == nil || boot.Type != mbr.Fat32LBA && boot.Type != mbr.Fat32CHS {
		return nil, nil, errors.New("partition 1 is not of type FAT32 (0x0c), so a Raspberry Pi does not boot it")
	}
	if root == nil || root.Type != mbr.Linux {
		return nil, nil, errors.New("partition 2 is not of type Linux (0x83)")
	}
	return boot, root, nil
}

// readFAT adds a directory of the boot partition to a tree, with contents in memory. Owners and modes are those that a
// device gives them. Their times go with them to another FAT, which gets times of its own.
func readFAT(ctx context.Context, fat *fat32.FileSystem, dir string, t *tree.Tree) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := fat.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.Name() == "." || e.Name() == ".." {
			continue
		}
		if e.IsDir() {
			if err := t.Put(path.Join(boot.Firmware, name), &tree.Node{Mode: 0o755}); err != nil {
				return err
			}
			if err := readFAT(ctx, fat, name, t); err != nil {
				return err
			}
			continue
		}
		data, err := readFATFile(fat, name)
		if err != nil {
			return fmt.Errorf("/%s: %w", name, err)
		}
		n := &tree.Node{Type: tree.Regular, Mode: 0o755, Content: tree.Inline(data)}
		if err := t.Put(path.Join(boot.Firmware, name), n); err != nil {
			return err
		}
	}
	return nil
}

// readFATFile reads all of a file in one call, as a second one may return more than there is.
func readFATFile(fat *fat32.FileSystem, name string) ([]byte, error) {
	f, err := fat.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return nil, err
	}
	data := make([]byte, info.Size())
	if n, err := f.Read(data); n != len(data) {
		return nil, fmt.Errorf("%d of %d bytes: %w", n, len(data), err)
	}
	return data, nil
}
