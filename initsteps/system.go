package initsteps

import (
	"io/fs"
	"time"

	"github.com/moby/sys/mountinfo"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/overlays/override"
)

// System is the interface to the operating system through which boot steps do everything. Paths are absolute; errors
// name the operation and its paths.
type System interface {
	// Stat follows symlinks.
	Stat(name string) (Info, error)
	ReadFile(name string) ([]byte, error)
	// DirFS returns the files below a directory.
	DirFS(dir string) fs.FS
	MountInfo() ([]*mountinfo.Info, error)

	// Mkdir makes a directory with the owner and mode of as unless it exists, and its missing parents, owned by root.
	Mkdir(name string, as Info) error
	// WriteFile replaces a file, synced, so that a power cut leaves the old content or the new one.
	WriteFile(name string, data []byte, mode fs.FileMode) error
	// RemoveAll durably removes a file or a directory tree, if it exists, by its path in dir. Symlinks do not lead it out
	// of dir.
	RemoveAll(dir, name string) error
	// Rename durably moves a file or directory and makes the missing directories of its new path.
	Rename(from, to string) error
	// ListFiles returns the files below a directory with their identities, none if it does not exist.
	ListFiles(dir string) (override.Files, error)
	// ForeignFiles returns the files below an upperdir that only an overlay with other options can read.
	ForeignFiles(dir string) ([]string, error)
	// Bind and MountOverlay mount completely or not at all.
	Bind(b Bind) error
	MountOverlay(m overlays.Mount) error
	// MountFAT mounts a FAT file system.
	MountFAT(device, target string, readOnly bool) error
	// Unmount detaches a mount even if it is in use.
	Unmount(target string) error
	// Command runs a program and waits for it.
	Command(name string, args ...string) error

	// BlockDevice describes the block device of a number.
	BlockDevice(major, minor int) (BlockDevice, error)
	// Partition describes a partition of a disk.
	Partition(disk string, number int) (BlockDevice, error)
	// ReadDevice reads a part of a device.
	ReadDevice(name string, offset int64, size int) ([]byte, error)
	// WriteDevice writes a part of a device, and syncs it.
	WriteDevice(name string, offset int64, data []byte) error
	// ResizePartition sets the size of a partition, in bytes, in the kernel's copy of the partition table.
	ResizePartition(d BlockDevice, size int64) error
	// ResizeFileSystem grows the ext4 file system that is mounted on a directory.
	ResizeFileSystem(target string, blocks int64) error
	// ResizeUnmounted grows the ext4 file system of a device, which it mounts for that time.
	ResizeUnmounted(device string, blocks int64) error

	// SetUUID changes the UUID of the mounted ext4 file system at a directory. It fails with EOPNOTSUPP or ENOTTY where the
	// kernel or the file system does not support that.
	SetUUID(target string, uuid [16]byte) error
	// Random returns random bytes.
	Random(n int) ([]byte, error)
	// PinHeld reports whether a person keeps a GPIO pin connected to ground.
	PinHeld(pin int) (bool, error)

	Now() time.Time
	// SinceBoot is the time since the kernel started.
	SinceBoot() time.Duration
}

// Info is the type, permissions and owner of a file.
type Info struct {
	Mode     fs.FileMode
	UID, GID int
}

// Bind describes a bind mount with private propagation, of one file system without the mounts below it.
type Bind struct {
	Source   string
	Target   string
	ReadOnly bool
	IDs      *IDs   // maps root to another owner; nil for no mapping
	Within   string // directory that symlinks in the target must not leave; missing directories of the target below it
	// are made with its owner; "" if the target exists and belongs to root
}

// IDs are the user and group to which an idmapped bind mount maps root: root's files appear as theirs, and files that
// they create belong to root on the disk.
type IDs struct {
	UID, GID int
}

// BlockDevice is the size and position of a block device, as the kernel reports them in sysfs. Sizes and Start are in
// bytes.
type BlockDevice struct {
	Name      string // of its node, such as /dev/mmcblk0p2
	Size      int64
	Partition int // its number on the disk; 0 if it is not a partition: the fields below are then zero

	Start    int64
	Disk     string // the node of the disk, such as /dev/mmcblk0
	DiskSize int64
}
