package initsteps

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

// GrowPartition extends the partition of the mounted root file system to the end of its disk, in the partition table
// and in the kernel. It decides from what the two say now, so that a power cut in between is made good by the next
// boot. A partition that others follow, and a table that is no MBR, are left as they are.
type GrowPartition struct {
	Target string // where the file system is mounted
}

func (GrowPartition) String() string { return "grow-partition" }

// Done implements Step. Whether the disk is full is not remembered but seen by Do.
func (GrowPartition) Done(*Boot) (bool, error) { return false, nil }

// Do implements Step.
func (s GrowPartition) Do(b *Boot) error {
	d, err := b.growable(s.Target)
	if err != nil {
		return err
	}
	if d.Partition == 0 {
		return Skip(fmt.Sprintf("%s is no partition", d.Name))
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

// Undo implements Step: what has grown stays so.
func (GrowPartition) Undo(*Boot) error { return nil }

// GrowFileSystem grows the mounted root file system to the size of the device on which it lies.
type GrowFileSystem struct {
	Target string // where it is mounted
}

func (GrowFileSystem) String() string { return "grow-root" }

// Done implements Step. Whether the device is full is not remembered but seen by Do.
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
		return full // but for an end that is too short for a block group
	}
	b.Report.Root.Grown = &report.Growth{From: old.bytes(), To: grown.bytes()}
	return nil
}

// Undo implements Step: what has grown stays so.
func (GrowFileSystem) Undo(*Boot) error { return nil }

// growable is the device of a file system that is to grow and can. A Skip says why one does not.
func (b *Boot) growable(target string) (BlockDevice, error) {
	cmdline, err := b.ReadFile("/proc/cmdline")
	if err != nil {
		return BlockDevice{}, err
	}
	if !growthAsked(string(cmdline)) {
		return BlockDevice{}, Skip("the kernel's command line does not ask for it with " + report.GrowArgument)
	}
	m, err := b.mountAt(target)
	switch {
	case err != nil:
		return BlockDevice{}, err
	case m == nil:
		return BlockDevice{}, fmt.Errorf("nothing is mounted on %s", target)
	case m.FSType != "ext4":
		return BlockDevice{}, Skip(fmt.Sprintf("the file system is %s, and only ext4 is grown", m.FSType))
	case !slices.Contains(strings.Split(m.Options, ","), "rw"):
		return BlockDevice{}, Skip(fmt.Sprintf("the file system is not writable (%s)", m.Options))
	}
	return b.BlockDevice(m.Major, m.Minor)
}

// growthAsked heeds the last of several arguments, as the kernel does.
func growthAsked(cmdline string) bool {
	asked := false
	for arg := range strings.FieldsSeq(cmdline) {
		switch arg {
		case report.GrowArgument, report.GrowArgument + "=1":
			asked = true
		case report.GrowArgument + "=0":
			asked = false
		case "--": // the rest is for init
			return asked
		}
	}
	return asked
}

// extent is the size of an ext4 file system.
type extent struct {
	blocks, blockSize int64
}

func (e extent) bytes() int64 { return e.blocks * e.blockSize }

// fileSystem reads the size of an ext4 file system from its superblock, which the kernel keeps up to date while it is
// mounted. https://docs.kernel.org/filesystems/ext4/super.html
func (b *Boot) fileSystem(d BlockDevice) (extent, error) {
	const at, size, incompat64bit = 1024, 1024, 0x80
	super, err := b.ReadDevice(d.Name, at, size)
	if err != nil {
		return extent{}, err
	}
	if magic := binary.LittleEndian.Uint16(super[56:]); magic != 0xef53 {
		return extent{}, fmt.Errorf("%s has no ext4 superblock: its magic number is %#x", d.Name, magic)
	}
	shift := binary.LittleEndian.Uint32(super[24:])
	if shift > 6 {
		return extent{}, fmt.Errorf("%s has an ext4 superblock with blocks of 2^%d KiB", d.Name, shift)
	}
	blocks := int64(binary.LittleEndian.Uint32(super[4:]))
	if binary.LittleEndian.Uint32(super[96:])&incompat64bit != 0 {
		blocks |= int64(binary.LittleEndian.Uint16(super[336:])) << 32
	}
	return extent{blocks, 1024 << shift}, nil
}
