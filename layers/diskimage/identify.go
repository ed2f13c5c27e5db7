package diskimage

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/ext4"
)

// signature is what the content of a partition or of a file is known by.
type signature struct {
	name   string
	offset int64
	magic  string
}

// signatures are in the order in which they are tried. A boot sector of FAT can hold other signatures by chance, and
// the tail of an older file system often remains in front of a newer one, so the most specific ones come first.
// https://github.com/util-linux/util-linux/tree/master/libblkid/src/superblocks
var signatures = []signature{
	{"LUKS (encrypted)", 0, "LUKS\xba\xbe"},
	{"BitLocker (encrypted)", 3, "-FVE-FS-"},
	{"XFS", 0, "XFSB"},
	{"squashfs", 0, "hsqs"},
	{"exFAT", 3, "EXFAT   "},
	{"NTFS", 3, "NTFS    "},
	{"LVM", 512 + 24, "LVM2 001"},
	{"Linux RAID", 0, "\xfc\x4e\x2b\xa9"},
	{"Linux RAID", 4096, "\xfc\x4e\x2b\xa9"},
	{"bcachefs", 4096 + 24, "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"},
	{"f2fs", 1024, "\x10\x20\xf5\xf2"},
	{"EROFS", 1024, "\xe2\xe1\xf5\xe0"},
	{"NILFS2", 1024 + 6, "\x34\x34"},
	{"btrfs", 64<<10 + 64, "_BHRfS_M"},
	{"ReiserFS", 64<<10 + 52, "ReIsEr2Fs"},
	{"JFS", 32 << 10, "JFS1"},
	{"UDF", 32<<10 + 1, "BEA01"},
	{"ISO 9660", 32<<10 + 1, "CD001"},
	{"swap", 4<<10 - 10, "SWAPSPACE2"},
	{"swap", 16<<10 - 10, "SWAPSPACE2"},
	{"swap", 64<<10 - 10, "SWAPSPACE2"},
	{extFamily, 1024 + 56, "\x53\xef"},
	{"FAT32", 82, "FAT32   "},
	{"FAT16", 54, "FAT16   "},
	{"FAT12", 54, "FAT12   "},
}

// containers are contents of a whole file that is no raw disk image, and how to get one.
var containers = []struct {
	signature
	hint string
}{
	{signature{"qcow2", 0, "QFI\xfb"}, qemuImg},
	{signature{"VMDK", 0, "KDMV"}, qemuImg},
	{signature{"VDI", 64, "\x7f\x10\xda\xbe"}, qemuImg},
	{signature{"VHDX", 0, "vhdxfile"}, qemuImg},
	{signature{"VHD", 0, "conectix"}, qemuImg},
	{signature{"an Android sparse image", 0, "\x3a\xff\x26\xed"}, "convert it with simg2img"},
	{signature{"a tar archive", 257, "ustar"}, "extract the disk image from it"},
	{signature{"a 7z archive", 0, "7z\xbc\xaf\x27\x1c"}, "extract the disk image from it"},
	{signature{"lz4", 0, "\x04\x22\x4d\x18"}, "decompress it"},
	{signature{"HTML", 0, "<!DOCTYPE"}, "download the file again"},
	{signature{"HTML", 0, "<html"}, "download the file again"},
}

const (
	extFamily = "ext"
	qemuImg   = "convert it with qemu-img convert -O raw"
)

func (s signature) matches(r io.ReaderAt, offset int64) (bool, error) {
	b := make([]byte, len(s.magic))
	_, err := r.ReadAt(b, offset+s.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return bytes.Equal(b, []byte(s.magic)), nil
}

// identify returns the name of the content from an offset on, such as "ext4", or "" if it is not known.
func identify(r io.ReaderAt, offset int64) (string, error) {
	return identifyBy(signatures, r, offset)
}

// identifyAs is identify, but prefers a name: remains of an older file system can be in front of one.
func identifyAs(preferred string, r io.ReaderAt, offset int64) (string, error) {
	likely := slices.DeleteFunc(slices.Clone(signatures), func(s signature) bool {
		return s.name != preferred && !(s.name == extFamily && strings.HasPrefix(preferred, extFamily))
	})
	if name, err := identifyBy(likely, r, offset); err != nil || name != "" {
		return name, err
	}
	return identify(r, offset)
}

func identifyBy(signatures []signature, r io.ReaderAt, offset int64) (string, error) {
	for _, s := range signatures {
		found, err := s.matches(r, offset)
		switch {
		case err != nil:
			return "", err
		case found && s.name == extFamily:
			return identifyExt(r, offset)
		case found:
			return s.name, nil
		}
	}
	return "", nil
}

// identifyExt tells ext2, ext3 and ext4 apart by their features, as the kernel does.
func identifyExt(r io.ReaderAt, offset int64) (string, error) {
	u, err := ext4.ReadUsage(r, offset)
	switch {
	case err != nil:
		return "", err
	case slices.Contains(u.Features, "extent") || slices.Contains(u.Features, "64bit"):
		return "ext4", nil
	case slices.Contains(u.Features, "has_journal"):
		return "ext3", nil
	}
	return "ext2", nil
}
