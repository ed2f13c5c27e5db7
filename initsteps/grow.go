package initsteps

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

// GrowPartition extends the partition of the mounted root file system to the end of its disk, in the partition table
// and in the kernel. It compares the two at each boot, so that the next boot completes it after a power cut. It skips a
// partition that others follow, and a disk without an MBR.
type GrowPartition struct {
	Target string // where the file system is mounted
}

func (GrowPartition) String() string { return "grow-partition" }

// Done implements Step. Do sees whether the partition ends where the disk does.
func (GrowPartition) Done(*Boot) (bool, error) { return false, nil }

// Do implements Step.
func (s GrowPartition) Do(b *Boot) error {
	d, err := b.growable(s.Target)
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

// Undo implements Step. Nothing shrinks.
func (GrowPartition) Undo(*Boot) error { return nil }

// GrowFileSystem grows the mounted root file system to the size of its device.
type GrowFileSystem struct {
	Target string // where it is mounted
}

func (GrowFileSystem) String() string { return "grow-root" }

// Done implements Step. Do sees whether the file system fills the device.
func (GrowFileSystem) Done(*Boot) (bool, error) { return false, nil }

// Do implements Step.
func (s GrowFileSystem) Do(b *Boot) error {
	d, err := b.growable(s.Target)
	if err != nil {
		return err
	}
	old, err := b.fileSystem(d)
	if err != nil {
		return err
	}
	full := Skip(fmt.Sprintf("the file system fills %s", d.Name))
	if old.blocks >= d.Size/old.blockSize {
		return full
	}
	if err := b.ResizeFileSystem(s.Target, d.Size/old.blockSize); err != nil {
		return err
	}
	grown, err := b.fileSystem(d)
	if err != nil {
		return err
	}
	if grown == old {
		return full // the rest is too short for a block group
	}
	b.Report.Root.Grown = &report.Growth{From: old.bytes(), To: grown.bytes()}
	return nil
}

// Undo implements Step. Nothing shrinks.
func (GrowFileSystem) Undo(*Boot) error { return nil }

// growable returns the device of a mounted file system, or a Skip with the reason why the file system does not grow.
func (b *Boot) growable(target string) (BlockDevice, error) {
	cmdline, err := b.ReadFile("/proc/cmdline")
	if err != nil {
		return BlockDevice{}, err
	}
	if !growRequested(string(cmdline)) {
		return BlockDevice{}, Skip("the kernel's command line has no " + report.GrowArgument)
	}
	m, err := b.mountAt(target)
	switch {
	case err != nil:
		return BlockDevice{}, err
	case m == nil:
		return BlockDevice{}, fmt.Errorf("%s is not a mount point", target)
	case m.FSType != "ext4":
		return BlockDevice{}, Skip(fmt.Sprintf("the file system is %s, and only ext4 is grown", m.FSType))
	case !slices.Contains(strings.Split(m.Options, ","), "rw"):
		return BlockDevice{}, Skip(fmt.Sprintf("the file system is not writable (%s)", m.Options))
	}
	return b.BlockDevice(m.Major, m.Minor)
}

// growRequested reports whether the kernel's command line has the argument; the last of several counts, as in the kernel.
func growRequested(cmdline string) bool {
	requested := false
	for arg := range strings.FieldsSeq(cmdline) {
		switch arg {
		case report.GrowArgument, report.GrowArgument + "=1":
			requested = true
		case report.GrowArgument + "=0":
			requested = false
		case "--": // the rest is for init
			return requested
		}
	}
	return requested
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
