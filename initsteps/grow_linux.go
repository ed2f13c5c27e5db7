package initsteps

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BlockDevice returns size and position, in bytes, of the block device with a major and a minor number. It reads them from
// sysfs, which counts in sectors of 512 bytes whatever the sector size of the disk. It returns fs.ErrNotExist if there is
// no such device.
func (Linux) BlockDevice(major, minor int) (BlockDevice, error) {
	dir, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", major, minor))
	if err != nil {
		return BlockDevice{}, err
	}
	return blockDevice(dir)
}

// Partition returns size and position, in bytes, of a partition of a disk such as /dev/mmcblk0, by its number. It fails if
// the kernel knows no such partition.
func (Linux) Partition(disk string, number int) (BlockDevice, error) {
	dir := filepath.Join("/sys/class/block", strings.ReplaceAll(strings.TrimPrefix(disk, "/dev/"), "/", "!"))
	parts, err := filepath.Glob(filepath.Join(dir, "*", "partition"))
	if err != nil {
		return BlockDevice{}, err
	}
	for _, part := range parts {
		if n, err := readNumber(filepath.Dir(part), "partition"); err != nil || int(n) != number {
			continue
		}
		real, err := filepath.EvalSymlinks(filepath.Dir(part))
		if err != nil {
			return BlockDevice{}, err
		}
		return blockDevice(real)
	}
	return BlockDevice{}, fmt.Errorf("disk %s has no partition %d", disk, number)
}

// blockDevice reads the directory of a device in sysfs.
func blockDevice(dir string) (BlockDevice, error) {
	d := BlockDevice{Name: deviceNode(dir)}
	sectors, err := readNumber(dir, "size")
	if err != nil {
		return d, err
	}
	d.Size = sectors * sectorSize
	number, err := readNumber(dir, "partition")
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	start, startErr := readNumber(dir, "start")
	disk, diskErr := readNumber(filepath.Dir(dir), "size")
	d.Partition, d.Start = int(number), start*sectorSize
	d.Disk, d.DiskSize = deviceNode(filepath.Dir(dir)), disk*sectorSize
	return d, errors.Join(err, startErr, diskErr)
}

// deviceNode returns the device node of a directory in sysfs, in whose name ! stands for a slash.
func deviceNode(dir string) string { return "/dev/" + strings.ReplaceAll(filepath.Base(dir), "!", "/") }

func readNumber(dir, name string) (int64, error) {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
}

// ReadDevice reads size bytes of a block device at an offset in bytes. It fails if the device ends before that.
func (Linux) ReadDevice(name string, offset int64, size int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, size)
	if _, err := f.ReadAt(data, offset); err != nil {
		return nil, fmt.Errorf("read %d bytes at %d of %s: %w", size, offset, name, err)
	}
	return data, nil
}

// WriteDevice writes data to a block device at an offset in bytes, and syncs the device.
func (Linux) WriteDevice(name string, offset int64, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, offset)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %d bytes at %d of %s: %w", len(data), offset, name, err)
	}
	return nil
}

// ResizePartition changes the size, in bytes, that the kernel has for a partition. It uses BLKPG, since the kernel does
// not read the partition table again while a partition is in use. It does not write the table on the disk.
func (Linux) ResizePartition(d BlockDevice, size int64) error {
	p := unix.BlkpgPartition{Start: d.Start, Length: size, Pno: int32(d.Partition)}
	arg := unix.BlkpgIoctlArg{
		Op: unix.BLKPG_RESIZE_PARTITION, Datalen: int32(unsafe.Sizeof(p)), Data: (*byte)(unsafe.Pointer(&p)),
	}
	if err := ioctl(d.Disk, unix.BLKPG, unsafe.Pointer(&arg)); err != nil {
		return fmt.Errorf("resize %s to %d bytes in the kernel: %w", d.Name, size, err)
	}
	return nil
}

// resizeFS is EXT4_IOC_RESIZE_FS of the kernel's fs/ext4/ext4.h: _IOW('f', 16, __u64).
const resizeFS = 0x40086610

// ResizeFileSystem grows the ext4 that is mounted on a directory to a number of blocks of the file system's block size.
func (Linux) ResizeFileSystem(target string, blocks int64) error {
	if err := ioctl(target, resizeFS, unsafe.Pointer(&blocks)); err != nil {
		return fmt.Errorf("resize the ext4 at %s to %d blocks: %w", target, blocks, err)
	}
	return nil
}

// setFSUUID is EXT4_IOC_SETFSUUID of the kernel's fs/ext4/ext4.h: _IOW('f', 44, struct fsuuid).
const setFSUUID = 0x4008662c

// SetUUID changes the UUID of the mounted ext4 file system at a directory. It fails with EOPNOTSUPP or ENOTTY where the
// kernel or the file system does not support that.
func (Linux) SetUUID(target string, uuid [16]byte) error {
	arg := struct {
		length, flags uint32
		uuid          [16]byte
	}{length: 16, uuid: uuid}
	if err := ioctl(target, setFSUUID, unsafe.Pointer(&arg)); err != nil {
		return fmt.Errorf("set the UUID of the ext4 at %s: %w", target, err)
	}
	return nil
}

// Random returns n bytes of the kernel's random number generator.
func (Linux) Random(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := unix.Getrandom(b, 0)
	return b, err
}

// ResizeUnmounted grows the ext4 of a device that is not mounted to a number of blocks of the file system's block size. It
// mounts the device for that time, on a temporary directory in /run.
func (l Linux) ResizeUnmounted(device string, blocks int64) (err error) {
	dir, err := os.MkdirTemp("/run", "pkinit-grow-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(dir)) }()
	if err := unix.Mount(device, dir, "ext4", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", device, dir, err)
	}
	defer func() {
		if failed := unix.Unmount(dir, 0); failed != nil {
			err = errors.Join(err, fmt.Errorf("unmount %s: %w", dir, failed))
		}
	}()
	return l.ResizeFileSystem(dir, blocks)
}

func ioctl(name string, request uintptr, arg unsafe.Pointer) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg))
	if errno != 0 {
		return errno
	}
	return nil
}
