package qemu

import (
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/compress"
	"github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/disk"
	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/mbr"
)

// Image is a disk image that a Raspberry Pi boots: MBR, FAT32 boot partition, ext4 root partition.
type Image struct {
	disk *disk.Disk
	boot bootFiles
}

// Open opens a disk image for reading. It fails if the image is compressed, is truncated, or does not have the partitions of
// a Raspberry Pi image.
func Open(file string) (*Image, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, err // go-diskfs drops the cause
	}
	d, err := diskfs.Open(file, diskfs.WithOpenMode(diskfs.ReadOnly))
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	img := &Image{disk: d}
	if err := img.load(); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("%s is not a disk image for a Raspberry Pi: %w", file, err)
	}
	return img, nil
}

// Close closes the image file.
func (img *Image) Close() error { return img.disk.Close() }

// Boot returns the files of the image's boot partition, until Close. Their names are matched case-insensitively.
func (img *Image) Boot() fs.FS { return img.boot }

func (img *Image) load() error {
	table, ok := img.disk.Table.(*mbr.Table)
	if !ok {
		return fmt.Errorf("image has no MBR partition table%s", img.hint())
	}
	boot, err := partition(table, 1, img.disk.Size, mbr.Fat32CHS, mbr.Fat32LBA)
	if err != nil {
		return err
	}
	root, err := partition(table, 2, img.disk.Size, mbr.Linux)
	if err != nil {
		return err
	}
	fat, err := fat32.Read(img.disk.Backend, boot.GetSize(), boot.GetStart(), img.disk.LogicalBlocksize)
	if err != nil {
		return fmt.Errorf("partition 1: no FAT32 file system: %w", err)
	}
	img.boot = bootFiles{fat}
	return ext4Magic(img.disk.Backend, root.GetStart())
}

// partition finds a partition, checks its type, and checks that the image is not truncated: go-diskfs reads zeroes beyond
// the end without an error.
func partition(table *mbr.Table, number int, size int64, types ...mbr.Type) (*mbr.Partition, error) {
	for _, p := range table.Partitions {
		if p.Index != number || p.Type == mbr.Empty {
			continue
		}
		for _, t := range types {
			if end := p.GetStart() + p.GetSize(); p.Type == t && end > size {
				return nil, fmt.Errorf("image is truncated: it has %d bytes, and partition %d ends at %d", size, number, end)
			} else if p.Type == t {
				return p, nil
			}
		}
		return nil, fmt.Errorf("partition %d has type 0x%02x, want 0x%02x", number, byte(p.Type), byte(types[len(types)-1]))
	}
	return nil, fmt.Errorf("image has no partition %d", number)
}

// ext4Magic looks for the magic number in the superblock (struct ext4_super_block, s_magic).
func ext4Magic(r io.ReaderAt, start int64) error {
	var magic [2]byte
	if _, err := r.ReadAt(magic[:], start+1024+56); err != nil {
		return fmt.Errorf("read superblock of partition 2: %w", err)
	}
	if binary.LittleEndian.Uint16(magic[:]) != 0xef53 {
		return fmt.Errorf("partition 2: no ext4 file system")
	}
	return nil
}

// hint returns a hint for a file that is compressed or in another format.
func (img *Image) hint() string {
	magic := make([]byte, compress.HeaderSize)
	_, _ = img.disk.Backend.ReadAt(magic, 0)
	if format := compress.Detect(magic); format != compress.None {
		return " (compressed; run: " + format.Unpack() + ")"
	}
	if string(magic[:4]) == "QFI\xfb" {
		return " (qcow2 image; run: qemu-img convert -O raw)"
	}
	return ""
}

// bootFiles adapts a FAT file system of go-diskfs, whose errors do not wrap fs.ErrNotExist.
type bootFiles struct{ fat filesystem.FileSystem }

// Open implements fs.FS.
func (b bootFiles) Open(name string) (fs.File, error) {
	if _, err := b.Stat(name); err != nil {
		return nil, err
	}
	return b.fat.Open(name)
}

// Stat implements fs.StatFS.
func (b bootFiles) Stat(name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		return b.fat.Stat(name)
	}
	if dir := path.Dir(name); dir != "." {
		if info, err := b.Stat(dir); err != nil || !info.IsDir() {
			return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
		}
	}
	entries, err := b.fat.ReadDir(path.Dir(name))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.EqualFold(e.Name(), path.Base(name)) {
			return e.Info()
		}
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

// ReadFile implements fs.ReadFileFS. It reads in one call: a second Read of go-diskfs may return more than the file has,
// and each walks the whole cluster chain.
func (b bootFiles) ReadFile(name string) ([]byte, error) {
	info, err := b.Stat(name)
	if err != nil {
		return nil, err
	}
	f, err := b.fat.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer f.Close()
	data := make([]byte, info.Size())
	if n, err := f.Read(data); n != len(data) {
		return nil, fmt.Errorf("read %s: %d of %d bytes: %w", name, n, len(data), err)
	}
	return data, nil
}

// copyOut writes the concatenation of files of the boot partition to a file of the host.
func copyOut(files fs.FS, target string, names ...string) (err error) {
	out, err := os.Create(target)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := out.Close(); err == nil {
			err = closeErr
		}
	}()
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		if _, err := out.Write(data); err != nil {
			return err
		}
	}
	return nil
}
