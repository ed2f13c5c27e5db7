package initsteps_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/PlanktoScope/pkbuild/initsteps"
)

// card is a disk of a recorder: a partition table, a boot partition, and a root partition with a file system.
type card struct {
	disk   int64 // size in bytes
	table  []byte
	serial []byte // what was written as the serial number of the boot partition
	boot   bool   // the boot partition has a FAT32
	whole  bool   // the file system lies on the disk, which has no partitions

	partition int64 // the size of the root partition that the kernel knows, in bytes
	blocks    int64 // of the file system
	tooShort  int64 // so many blocks at the end are not enough for the file system to use
}

const (
	blockSize = 4096
	rootStart = 516 << 20
)

// newCard is a card with an image of a size on it.
func newCard(disk, image int64) *card {
	c := &card{disk: disk, table: make([]byte, 512), partition: image - rootStart}
	c.blocks = c.partition / blockSize
	c.entry(0, 0xc, 4<<20, 512<<20)
	c.entry(1, 0x83, rootStart, c.partition)
	copy(c.table[440:], "\x2b\x1a\x8f\x5d")
	copy(c.table[510:], "\x55\xaa")
	return c
}

func (c *card) entry(i int, kind byte, start, size int64) {
	e := c.table[446+16*i:]
	e[4] = kind
	copy(e[5:], "\xfe\xff\xff")
	binary.LittleEndian.PutUint32(e[8:], uint32(start/512))
	binary.LittleEndian.PutUint32(e[12:], uint32(size/512))
}

// reboot has the kernel read the partition table again.
func (c *card) reboot() { c.partition = int64(binary.LittleEndian.Uint32(c.table[446+16+12:])) * 512 }

// insert puts a card under the root of a recorder that is asked to grow it.
func (r *recorder) insert(c *card) *recorder {
	r.files["proc/cmdline"].Data = []byte("root=PARTUUID=5d8f1a2b-02 pkinit.grow rootwait\n")
	r.card = c
	r.mounts = append(r.mounts, &mountinfo.Info{
		Mountpoint: "/", Root: "/", FSType: "ext4", Source: "/dev/mmcblk0p2", Options: "rw,relatime", Major: 179, Minor: 2,
	})
	return r
}

func (r *recorder) BlockDevice(major, minor int) (initsteps.BlockDevice, error) {
	if err := r.call("device %d:%d", major, minor); err != nil {
		return initsteps.BlockDevice{}, err
	}
	if r.card.whole {
		return initsteps.BlockDevice{Name: "/dev/mmcblk0", Size: r.card.disk}, nil
	}
	return initsteps.BlockDevice{
		Name: "/dev/mmcblk0p2", Size: r.card.partition, Partition: 2, Start: rootStart,
		Disk: "/dev/mmcblk0", DiskSize: r.card.disk,
	}, nil
}

func (r *recorder) ReadDevice(name string, offset int64, size int) ([]byte, error) {
	if err := r.call("read %d bytes at %d of %s", size, offset, name); err != nil {
		return nil, err
	}
	if name == "/dev/mmcblk0p1" {
		return fatSector(), nil
	}
	if offset == 0 {
		return slices.Clone(r.card.table), nil
	}
	super := make([]byte, size)
	binary.LittleEndian.PutUint16(super[56:], 0xef53)
	binary.LittleEndian.PutUint32(super[24:], 2)
	binary.LittleEndian.PutUint32(super[96:], 0x80)
	binary.LittleEndian.PutUint32(super[4:], uint32(r.card.blocks))
	binary.LittleEndian.PutUint16(super[336:], uint16(r.card.blocks>>32))
	return super, nil
}

func (r *recorder) WriteDevice(name string, offset int64, data []byte) error {
	if err := r.call("write %d bytes at %d of %s", len(data), offset, name); err != nil {
		return err
	}
	if name == "/dev/mmcblk0p1" {
		r.card.serial = append(r.card.serial, data...)
		return nil
	}
	if f := r.files[strings.TrimPrefix(name, "/")]; f != nil {
		copy(f.Data[offset:], data)
		return nil
	}
	r.card.table = slices.Clone(data)
	return nil
}

func (r *recorder) ResizePartition(d initsteps.BlockDevice, size int64) error {
	if err := r.call("resize %s to %d", d.Name, size); err != nil {
		return err
	}
	if d.Start+size > r.card.disk {
		return fmt.Errorf("%s would end behind the disk", d.Name)
	}
	r.card.partition = size
	return nil
}

func (r *recorder) ResizeFileSystem(target string, blocks int64) error {
	if err := r.call("resize %s to %d blocks", target, blocks); err != nil {
		return err
	}
	room := r.card.partition
	if r.card.whole {
		room = r.card.disk
	}
	if blocks*blockSize > room {
		return fmt.Errorf("%s would end behind its device", target)
	}
	r.card.blocks = blocks - r.card.tooShort
	return nil
}

func (r *recorder) Partition(disk string, number int) (initsteps.BlockDevice, error) {
	if r.card.boot && number == 1 {
		return initsteps.BlockDevice{Name: disk + "p1", Size: 512 << 20, Partition: 1, Disk: disk}, nil
	}
	return initsteps.BlockDevice{}, fmt.Errorf("disk %s has no partition %d", disk, number)
}

func (r *recorder) ResizeUnmounted(device string, blocks int64) error {
	return r.call("resize %s to %d blocks", device, blocks)
}

// fatSector is the first sector of a FAT32.
func fatSector() []byte {
	b := make([]byte, 512)
	binary.LittleEndian.PutUint16(b[11:], 512)
	b[13], b[16] = 8, 2
	binary.LittleEndian.PutUint16(b[14:], 32)
	binary.LittleEndian.PutUint32(b[32:], 1<<20)
	binary.LittleEndian.PutUint32(b[36:], 1024)
	copy(b[82:], "FAT32   ")
	b[510], b[511] = 0x55, 0xaa
	return b
}
