package ext4

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// The flags of an inode that say where its data lie.
const (
	usesExtents = 0x80000
	inlineData  = 0x10000000
	encrypted   = 0x800
)

// inode is an inode as it lies on the disk.
type inode struct {
	fs     *fileSystem
	number uint32
	raw    []byte
}

func (fs *fileSystem) inode(number uint32) (*inode, error) {
	if number == 0 || number > fs.inodes {
		return nil, fmt.Errorf("inode %d of %d", number, fs.inodes)
	}
	group, index := (number-1)/fs.perGroup, (number-1)%fs.perGroup
	i := &inode{fs: fs, number: number, raw: make([]byte, fs.inodeSize)}
	if _, err := fs.image.ReadAt(i.raw, fs.at(fs.tables[group])+int64(index)*fs.inodeSize); err != nil {
		return nil, fmt.Errorf("inode %d: %w", number, err)
	}
	return i, nil
}

func (i *inode) u16(at int) uint16 { return le.Uint16(i.raw[at:]) }
func (i *inode) u32(at int) uint32 { return le.Uint32(i.raw[at:]) }

func (i *inode) size() uint64     { return uint64(i.u32(0x4)) | uint64(i.u32(0x6c))<<32 }
func (i *inode) flags() uint32    { return i.u32(0x20) }
func (i *inode) blockMap() []byte { return i.raw[0x28:0x64] }

// extra is the size of the fields behind the first 128 bytes.
func (i *inode) extra() int {
	if len(i.raw) < 132 {
		return 0
	}
	return min(int(i.u16(0x80)), len(i.raw)-128)
}

// modTime is in the first 32 bits seconds since 1970, with a sign; of the next, two bits are seconds, too, and the
// rest nanoseconds.
func (i *inode) modTime() time.Time {
	seconds, nanoseconds := int64(int32(i.u32(0x10))), int64(0)
	if i.extra() >= 12 {
		more := i.u32(0x88)
		seconds += int64(more&3) << 32
		nanoseconds = int64(more >> 2)
	}
	return time.Unix(seconds, nanoseconds).UTC()
}

// types are those of the upper bits of the mode.
var types = map[uint16]tree.Type{
	0x1: tree.Fifo, 0x2: tree.Char, 0x4: tree.Directory, 0x6: tree.Block, 0x8: tree.Regular, 0xa: tree.Symlink,
	0xc: tree.Socket,
}

// node is what the inode says, without what lies in it if it is a directory.
func (i *inode) node() (*tree.Node, error) {
	kind, ok := types[i.u16(0)>>12]
	if !ok || i.u16(0x1a) == 0 {
		return nil, fmt.Errorf("no file: mode %#o, %d links", i.u16(0), i.u16(0x1a))
	}
	n := &tree.Node{
		Type:    kind,
		Mode:    uint32(i.u16(0)) & 0o7777,
		UID:     uint32(i.u16(0x2)) | uint32(i.u16(0x78))<<16,
		GID:     uint32(i.u16(0x18)) | uint32(i.u16(0x7a))<<16,
		ModTime: i.modTime(),
	}
	var err error
	if n.Xattrs, err = i.xattrs(); err != nil {
		return nil, err
	}
	switch kind {
	case tree.Regular:
		n.Content, err = i.content()
	case tree.Symlink:
		n.Target, err = i.target()
	case tree.Char, tree.Block:
		n.Major, n.Minor = i.device()
	}
	return n, err
}

// device is a number in the old form, or, if that is 0, in the new one.
func (i *inode) device() (major, minor uint32) {
	if old := le.Uint32(i.blockMap()); old != 0 {
		return old >> 8 & 0xff, old & 0xff
	}
	number := le.Uint32(i.blockMap()[4:])
	return number >> 8 & 0xfff, number&0xff | number>>12&0xfff00
}

// maxTarget is the length of a symlink's target at most, as of any path.
const maxTarget = 4096

// target is that of a symlink. A short one lies in the inode, in place of the map of blocks.
func (i *inode) target() (string, error) {
	if i.size() > maxTarget {
		return "", fmt.Errorf("target of %d bytes", i.size())
	}
	if i.flags()&usesExtents == 0 && i.size() < uint64(len(i.blockMap())) {
		return string(i.blockMap()[:i.size()]), nil
	}
	c, err := i.content()
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(c.Reader())
	return string(b), err
}

// content says where the inode's data lie.
func (i *inode) content() (tree.Content, error) {
	switch flags := i.flags(); {
	case i.size() > math.MaxInt64:
		return tree.Content{}, fmt.Errorf("%d bytes", i.size())
	case flags&inlineData != 0 || flags&encrypted != 0:
		return tree.Content{}, errors.New("inline and encrypted data are not supported")
	case i.size() == 0:
		return tree.Content{}, nil
	case flags&usesExtents == 0:
		return tree.Content{}, errors.New("its blocks are mapped as in ext3, which is not supported")
	}
	c := content{fs: i.fs, size: int64(i.size())}
	if err := c.extents(i.blockMap(), maxDepth); err != nil {
		return tree.Content{}, err
	}
	return c.where(), nil
}
