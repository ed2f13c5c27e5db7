package initsteps

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

// GrowPartition extends a partition to the end of its disk, in the partition table and in the kernel: that of the mounted
// root file system, or the one that the kernel's command line names. It compares the table and the kernel with the disk at
// each boot, so that the next boot completes what a power cut interrupted. It skips a partition that others follow, a disk
// without an MBR, and a boot whose command line does not have report.GrowArgument.
type GrowPartition struct {
	Target string // where the root file system is mounted
}

func (GrowPartition) String() string { return "grow-partition" }

// Done always returns false: Do itself finds out whether the partition ends where the disk does.
func (GrowPartition) Done(*Boot) (bool, error) { return false, nil }

// Do extends the partition to the end of its disk, and skips the step if it ends there.
func (s GrowPartition) Do(b *Boot) error {
	d, _, err := b.growing(s.Target)
	if err != nil {
		return err
	}
	if d.Partition == 0 {
		return Skip(fmt.Sprintf("%s is not a partition", d.Name))
	}
	table, err := b.ReadDevice(d.Disk, 0, sectorSize)
	if err != nil {
		return err
	}
	grown, size, err := extend(table, d)
	if err != nil {
		return err
	}
	if size <= d.Size {
		return Skip(fmt.Sprintf("%s ends where %s does", d.Name, d.Disk))
	}
	if !slices.Equal(grown, table) {
		if err := b.WriteDevice(d.Disk, 0, grown); err != nil {
			return err
		}
	}
	return b.ResizePartition(d, size)
}

// Undo does nothing: a partition is not shrunk.
func (GrowPartition) Undo(*Boot) error { return nil }

// GrowFileSystem grows the file system of the partition that GrowPartition extends to the size of its device: the mounted
// root file system, which must be a writable ext4, or an ext4 or FAT32 that is not mounted yet. It skips a boot whose
// command line does not have report.GrowArgument.
type GrowFileSystem struct {
	Target string // where the root file system is mounted
}

func (GrowFileSystem) String() string { return "grow-file-system" }

// Done always returns false: Do itself finds out whether the file system is as large as its partition.
func (GrowFileSystem) Done(*Boot) (bool, error) { return false, nil }

// Do grows the file system to the size of its partition, and skips the step if it has that size.
func (s GrowFileSystem) Do(b *Boot) error {
	d, root, err := b.growing(s.Target)
	if err != nil {
		return err
	}
	if !root {
		return b.growUnmounted(d)
	}
	from, to, err := b.growExt4(d, func(blocks int64) error { return b.ResizeFileSystem(s.Target, blocks) })
	if err == nil {
		b.Report.Root.Grown = &report.Growth{From: from.bytes(), To: to.bytes()}
	}
	return err
}

// Undo does nothing: a file system is not shrunk.
func (GrowFileSystem) Undo(*Boot) error { return nil }

// growUnmounted grows the file system of a device that is not mounted.
func (b *Boot) growUnmounted(d BlockDevice) error {
	boot, err := b.ReadDevice(d.Name, 0, sectorSize)
	if err != nil {
		return err
	}
	if fat, ok := parseFAT(boot); ok {
		return b.growFAT(d, fat, boot)
	}
	_, _, err = b.growExt4(d, func(blocks int64) error { return b.ResizeUnmounted(d.Name, blocks) })
	return err
}

// growExt4 has an ext4 file system resized to the size of its device, and returns its old and new size. It returns a Skip
// if the file system fills the device.
func (b *Boot) growExt4(d BlockDevice, resize func(blocks int64) error) (from, to fsSize, err error) {
	full := Skip(fmt.Sprintf("the file system fills %s", d.Name))
	if from, err = b.fileSystem(d); err != nil {
		return from, to, err
	}
	if from.blocks >= d.Size/from.blockSize {
		return from, to, full
	}
	if err := resize(d.Size / from.blockSize); err != nil {
		return from, to, err
	}
	to, err = b.fileSystem(d)
	if err == nil && to == from {
		return from, to, full // the rest is too short for a block group
	}
	return from, to, err
}

// growing returns the device that the kernel's command line lets grow, and whether it is that of the root file system. It
// returns a Skip with the reason if none grows.
func (b *Boot) growing(target string) (d BlockDevice, root bool, err error) {
	cmdline, err := b.ReadFile("/proc/cmdline")
	if err != nil {
		return d, false, err
	}
	number, requested := growRequested(string(cmdline))
	if !requested {
		return d, false, Skip("the kernel's command line has no " + report.GrowArgument)
	}
	m, err := b.mountAt(target)
	if err != nil {
		return d, false, err
	}
	if m == nil {
		return d, false, fmt.Errorf("%s is not a mount point", target)
	}
	if d, err = b.BlockDevice(m.Major, m.Minor); err != nil {
		return d, false, err
	}
	if number != 0 && number != d.Partition {
		if d.Partition == 0 {
			return d, false, Skip(fmt.Sprintf("%s is not a partition", d.Name))
		}
		d, err = b.Partition(d.Disk, number)
		return d, false, err
	}
	switch {
	case m.FSType != "ext4":
		return d, true, Skip(fmt.Sprintf("the file system is %s, and only ext4 is grown", m.FSType))
	case !slices.Contains(strings.Split(m.Options, ","), "rw"):
		return d, true, Skip(fmt.Sprintf("the file system is not writable (%s)", m.Options))
	}
	return d, true, nil
}

// growRequested returns the number of the partition that the kernel's command line lets grow, 0 for that of the root file
// system, and whether it lets one grow at all. The last of several arguments counts, as in the kernel.
func growRequested(cmdline string) (partition int, requested bool) {
	for arg := range strings.FieldsSeq(cmdline) {
		if arg == "--" { // the rest is for init
			break
		}
		value, found := strings.CutPrefix(arg, report.GrowArgument)
		if !found {
			continue
		}
		number, err := strconv.ParseUint(strings.TrimPrefix(value, "=p"), 10, 8)
		switch {
		case value == "" || value == "=1":
			partition, requested = 0, true
		case value == "=0":
			requested = false
		case strings.HasPrefix(value, "=p") && err == nil:
			partition, requested = int(number), true
		}
	}
	return partition, requested
}

// fsSize is the size of an ext4 file system.
type fsSize struct {
	blocks, blockSize int64
}

func (e fsSize) bytes() int64 { return e.blocks * e.blockSize }

// fileSystem reads the size of an ext4 file system from its superblock, which the kernel keeps up to date while it is
// mounted. https://docs.kernel.org/filesystems/ext4/super.html
func (b *Boot) fileSystem(d BlockDevice) (fsSize, error) {
	const at, size, incompat64bit = 1024, 1024, 0x80
	super, err := b.ReadDevice(d.Name, at, size)
	if err != nil {
		return fsSize{}, err
	}
	if magic := binary.LittleEndian.Uint16(super[56:]); magic != 0xef53 {
		return fsSize{}, fmt.Errorf("%s has no ext4 superblock: its magic number is %#x", d.Name, magic)
	}
	shift := binary.LittleEndian.Uint32(super[24:])
	if shift > 6 {
		return fsSize{}, fmt.Errorf("%s has an ext4 superblock with a block size of 2^%d KiB, more than the 64 KiB of ext4", d.Name, shift)
	}
	blocks := int64(binary.LittleEndian.Uint32(super[4:]))
	if binary.LittleEndian.Uint32(super[96:])&incompat64bit != 0 {
		blocks |= int64(binary.LittleEndian.Uint16(super[336:])) << 32
	}
	return fsSize{blocks, 1024 << shift}, nil
}
