package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/mbr"

	"github.com/PlanktoScope/pkbuild/qemu/scenario"
)

// Sizes of a stick, in bytes.
const (
	stickSize   = 64 << 20
	stickStart  = 1 << 20 // of its partition
	sectorSize  = 512
	unplugLimit = time.Minute
)

// Plug connects a USB stick to the running machine, and creates the stick when its name is used for the first time. The
// machine must have been started with USB.
func (d *Device) Plug(ctx context.Context, s *scenario.Stick) error {
	if d.vm == nil {
		return errOff
	}
	file := filepath.Join(d.dir, s.Name+".stick")
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		if err := writeStick(file, s); err != nil {
			return fmt.Errorf("USB stick %s: %w", s.Name, err)
		}
	}
	d.sticks[s.Name] = file
	err := d.vm.qmp.execute(ctx, "blockdev-add", map[string]any{
		"node-name": s.Name, "driver": "raw", "file": map[string]any{"driver": "file", "filename": file},
	})
	if err != nil {
		return err
	}
	return d.vm.qmp.execute(ctx, "device_add", map[string]any{"driver": "usb-storage", "id": s.Name + "-device", "drive": s.Name})
}

// Unplug removes the USB stick of this name from the running machine. What the guest wrote to the stick is there when it is
// plugged in again.
func (d *Device) Unplug(ctx context.Context, name string) error {
	if d.vm == nil {
		return errOff
	}
	if err := d.vm.qmp.execute(ctx, "device_del", map[string]any{"id": name + "-device"}); err != nil {
		return err
	}
	limited, cancel := d.limit(ctx, unplugLimit, "unplug")
	defer cancel()
	for {
		err := d.vm.qmp.execute(limited, "blockdev-del", map[string]any{"node-name": name})
		if err == nil {
			delete(d.sticks, name)
			return nil
		}
		if limited.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond) // the device is still in use
	}
}

// writeStick writes a disk with one FAT32 partition.
func writeStick(file string, s *scenario.Stick) (err error) {
	size := int64(s.Size)
	if size == 0 {
		size = stickSize
	}
	d, err := diskfs.Create(file, size, diskfs.SectorSizeDefault)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	err = d.Partition(&mbr.Table{LogicalSectorSize: sectorSize, PhysicalSectorSize: sectorSize, Partitions: []*mbr.Partition{
		{Index: 1, Type: mbr.Fat32LBA, Start: stickStart / sectorSize, Size: uint32((size - stickStart) / sectorSize)},
	}})
	if err != nil {
		return err
	}
	fat, err := fat32.Create(d.Backend, size-stickStart, stickStart, sectorSize, s.Name, false)
	if err != nil {
		return err
	}
	for name, content := range s.Files {
		f, err := fat.OpenFile(name, os.O_CREATE|os.O_RDWR)
		if err != nil {
			return err
		}
		_, err = f.Write([]byte(content))
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}
