package initsteps

import (
	"io/fs"
	"time"

	"github.com/moby/sys/mountinfo"

	"github.com/PlanktoScope/pkbuild/overlays"
)

// System is what the steps need of the operating system. Paths are absolute, errors name the operation and its paths.
type System interface {
	// Stat follows symlinks.
	Stat(name string) (Info, error)
	ReadFile(name string) ([]byte, error)
	// DirFS is the files below a directory.
	DirFS(dir string) fs.FS
	MountInfo() ([]*mountinfo.Info, error)

	// Mkdir makes a directory with this owner and mode unless it is there, and the missing ones above it as root's.
	Mkdir(name string, as Info) error
	// WriteFile replaces a file, synced, so that a power cut leaves the old content or the new one.
	WriteFile(name string, data []byte, mode fs.FileMode) error
	// RemoveAll removes a file or a directory with all in it, if it is there, by its path in a directory that it never
	// leaves by way of symlinks.
	RemoveAll(dir, name string) error
	// Bind and MountOverlay mount wholly or not at all.
	Bind(b Bind) error
	MountOverlay(m overlays.Mount) error
	// Unmount takes a mount away even if it is in use.
	Unmount(target string) error
	// Command runs a program and waits for it.
	Command(name string, args ...string) error

	// BlockDevice describes the block device of a number.
	BlockDevice(major, minor int) (BlockDevice, error)
	// ReadDevice reads a part of a device.
	ReadDevice(name string, offset int64, size int) ([]byte, error)
	// WriteDevice writes a part of a device and waits until it is on the medium.
	WriteDevice(name string, offset int64, data []byte) error
	// ResizePartition tells the kernel that a partition has another size, in bytes, than when it read the table.
	ResizePartition(d BlockDevice, size int64) error
	// ResizeFileSystem grows the ext4 file system that is mounted on a directory.
	ResizeFileSystem(target string, blocks int64) error

	Now() time.Time
	// SinceBoot is the time since the kernel started.
	SinceBoot() time.Duration
}

// Info is what steps want to know of a file.
type Info struct {
	Mode     fs.FileMode
	UID, GID int
}

// Bind is a bind mount: of one file system, without what is mounted below it, and private.
type Bind struct {
	Source   string
	Target   string
	ReadOnly bool
	IDs      *IDs   // shows other owners than the disk has
	Within   string // a directory that the target must not leave by way of symlinks; what is missing of the target's
	// path below it is made, with this directory's owner
}

// IDs are the owners in whose name root's files appear through a bind mount, and whose files land as root's.
type IDs struct {
	UID, GID int
}

// BlockDevice is a block device as the kernel knows it. Sizes are in bytes.
type BlockDevice struct {
	Name      string // of its node, such as /dev/mmcblk0p2
	Size      int64
	Partition int // its number on the disk; 0: it is no partition, and has none of what follows

	Start    int64
	Disk     string // the node of the disk, such as /dev/mmcblk0
	DiskSize int64
}
