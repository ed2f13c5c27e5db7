package initsteps

import (
	"errors"
	"fmt"
	"path"

	"github.com/PlanktoScope/pkbuild/overlays"
)

// bootDir is where the boot partition is mounted while pkinit reads or writes it.
const bootDir = "/run/pkinit/boot"

// errNoBootPartition is returned where the root file system does not lie on a disk with a FAT32 partition in front.
var errNoBootPartition = errors.New("the disk of the root file system has no FAT32 as its first partition")

// bootPartition returns the FAT32 partition of the disk that the root file system lies on, or errNoBootPartition.
func (b *Boot) bootPartition() (BlockDevice, error) {
	m, err := b.mountAt("/")
	if err != nil {
		return BlockDevice{}, err
	}
	if m == nil || m.Major == 0 {
		return BlockDevice{}, errNoBootPartition
	}
	root, err := b.BlockDevice(m.Major, m.Minor)
	if err != nil {
		return BlockDevice{}, err
	}
	if root.Partition == 0 {
		return BlockDevice{}, errNoBootPartition
	}
	boot, err := b.Partition(root.Disk, 1)
	if err != nil {
		return BlockDevice{}, fmt.Errorf("%w: %w", errNoBootPartition, err)
	}
	sector, err := b.ReadDevice(boot.Name, 0, sectorSize)
	if err != nil {
		return BlockDevice{}, err
	}
	if _, ok := parseFAT(sector); !ok {
		return BlockDevice{}, errNoBootPartition
	}
	return boot, nil
}

// onBootPartition mounts the boot partition at bootDir, calls f and unmounts it. What f wrote is on the disk then.
func (b *Boot) onBootPartition(readOnly bool, f func() error) error {
	device, err := b.bootPartition()
	if err != nil {
		return err
	}
	if err := b.System.Mkdir(bootDir, mountpoint); err != nil {
		return err
	}
	if err := b.MountFAT(device.Name, bootDir, readOnly); err != nil {
		return err
	}
	return errors.Join(f(), b.Unmount(bootDir))
}

// stateFile returns the path of a file in overlays.StateDir.
func (b *Boot) stateFile(name string) string { return path.Join(overlays.StateDir, name) }
