package ext4

import (
	"encoding/binary"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
)

// inode is one inode of the file system to be, and all that is decided about it. One without a node is not in use.
type inode struct {
	node  *layers.Node
	links uint32
	size  int64
	data  []span // where a sparse file has data; nil: everywhere
	dir   *directory
	attrs *attributes
	value *uint32 // of an inode that holds the value of an extended attribute: the value's hash

	extents []extent
	tree    []uint64 // blocks of extents that do not fit into the inode
}

const (
	extraSize = 32 // of the fields behind the first 128 bytes

	checksumLo = 0x7c // offsets of the fields
	checksumHi = 0x82

	flagIndexed = 0x1000 // the directory is an htree
	flagExtents = 0x80000
	flagEAInode = 0x200000
)

var fileTypes = [...]uint8{
	layers.Regular: 1, layers.Directory: 2, layers.Char: 3, layers.Block: 4, layers.Fifo: 5, layers.Socket: 6,
	layers.Symlink: 7,
}

var modeTypes = [...]uint16{
	layers.Fifo: 0x1000, layers.Char: 0x2000, layers.Directory: 0x4000, layers.Block: 0x6000, layers.Regular: 0x8000,
	layers.Symlink: 0xa000, layers.Socket: 0xc000,
}

// diskInode is struct ext4_inode. It is in parts because encoding/binary is slow with arrays, and inodes are many.
// https://docs.kernel.org/filesystems/ext4/inodes.html
type diskInode struct {
	inodeHead
	Block [60]byte
	inodeTail
	InlineXattrs [inlineXattrs]byte
}

type inodeHead struct {
	Mode       uint16
	UIDLo      uint16
	SizeLo     uint32
	Atime      uint32
	Ctime      uint32
	Mtime      uint32
	Dtime      uint32
	GIDLo      uint16
	LinksCount uint16
	BlocksLo   uint32
	Flags      uint32
	VersionLo  uint32
}

type inodeTail struct {
	Generation  uint32
	FileACLLo   uint32
	SizeHi      uint32
	_           uint32
	BlocksHi    uint16
	FileACLHi   uint16
	UIDHi       uint16
	GIDHi       uint16
	ChecksumLo  uint16
	_           uint16
	ExtraIsize  uint16
	ChecksumHi  uint16
	CtimeExtra  uint32
	MtimeExtra  uint32
	AtimeExtra  uint32
	Crtime      uint32
	CrtimeExtra uint32
	VersionHi   uint32
	Projid      uint32
}

// newInode is what can be said of a node by itself.
func newInode(n *layers.Node) (inode, error) {
	in := inode{node: n, links: 1}
	var err error
	if in.attrs, err = newAttributes(n.Xattrs); err != nil {
		return in, err
	}
	switch n.Type {
	case layers.Regular:
		in.size = n.Content.Size
		in.data, err = findData(n.Content)
	case layers.Symlink:
		in.size = int64(len(n.Target))
	}
	return in, err
}

// allocate gives the inode its blocks: what it contains, then what that needs to be found, then its attributes.
func (in *inode) allocate(a *allocator) {
	in.extents = in.extents[:0]
	for _, s := range in.spans() {
		in.extents = s.allocate(in.extents, a)
	}
	in.tree = in.tree[:0]
	for range treeBlocks(len(in.extents)) {
		in.tree = append(in.tree, a.one())
	}
	if in.attrs != nil && len(in.attrs.block) > 0 {
		in.attrs.at = a.one()
	}
}

// spans are the blocks of the inode's content that are to be stored.
func (in *inode) spans() []span {
	switch {
	case in.data != nil:
		return in.data
	case in.size == 0 || in.isFastSymlink():
		return nil
	}
	return []span{{0, uint32(ceil(in.size, blockSize))}}
}

func (in *inode) isFastSymlink() bool {
	return in.node.Type == layers.Symlink && in.size < int64(len(diskInode{}.Block))
}

func (in *inode) isDevice() bool { return in.node.Type == layers.Char || in.node.Type == layers.Block }

func (in *inode) hasExtents() bool {
	switch in.node.Type {
	case layers.Regular, layers.Directory:
		return true
	}
	return in.node.Type == layers.Symlink && !in.isFastSymlink()
}

// sectors is i_blocks: 512 bytes each, those that hold metadata included.
func (p *plan) sectors(number uint32) uint64 {
	in := p.inodes[number]
	blocks := uint64(len(in.tree))
	for _, e := range in.extents {
		blocks += uint64(e.length)
	}
	if in.attrs != nil {
		blocks += in.attrs.ownBlocks()
	}
	if number == resizeInode {
		blocks += p.resizeBlocks()
	}
	return blocks * (blockSize / 512)
}

func (p *plan) flags(number uint32) uint32 {
	in := p.inodes[number]
	flags := uint32(0)
	if in.hasExtents() && number != resizeInode {
		flags |= flagExtents
	}
	if in.dir != nil && in.dir.indexed() {
		flags |= flagIndexed
	}
	if in.value != nil {
		flags |= flagEAInode
	}
	return flags
}

// blockField is i_block, which is what its type makes of it.
func (p *plan) blockField(number uint32) (b [60]byte) {
	in := p.inodes[number]
	switch {
	case number == resizeInode:
		binary.LittleEndian.PutUint32(b[doublyIndirect*4:], uint32(p.resize))
	case in.isFastSymlink():
		copy(b[:], in.node.Target)
	case in.isDevice():
		putDevice(b[:], in.node.Major, in.node.Minor)
	case in.hasExtents():
		copy(b[:], p.extentTree(number)[0])
	}
	return b
}

// putDevice writes a device number, in the old form where it fits.
func putDevice(b []byte, major, minor uint32) {
	if major < 256 && minor < 256 {
		binary.LittleEndian.PutUint32(b, major<<8|minor)
		return
	}
	binary.LittleEndian.PutUint32(b[4:], minor&0xff|major<<8|minor&^0xff<<12)
}

// encodeInode is an inode as it lies in its table.
func (p *plan) encodeInode(b []byte, number uint32) []byte {
	in := p.inodes[number]
	if in.node == nil || number == resizeInode && p.reserved == 0 {
		return append(b, make([]byte, inodeSize)...)
	}
	n, sectors := in.node, p.sectors(number)
	d := diskInode{
		inodeHead: inodeHead{
			Mode:  modeTypes[n.Type] | uint16(n.Mode),
			UIDLo: lo16(n.UID), GIDLo: lo16(n.GID), SizeLo: lo32(uint64(in.size)), BlocksLo: lo32(sectors),
			LinksCount: linksCount(in), Flags: p.flags(number),
		},
		Block: p.blockField(number),
		inodeTail: inodeTail{
			UIDHi: hi16(n.UID), GIDHi: hi16(n.GID), SizeHi: hi32(uint64(in.size)), BlocksHi: uint16(sectors >> 32),
			ExtraIsize: extraSize,
		},
	}
	d.setTime(p.time(n))
	if in.attrs != nil {
		d.FileACLLo, d.FileACLHi = lo32(in.attrs.at), uint16(in.attrs.at>>32)
		d.InlineXattrs = in.attrs.encodeInline(p)
	}
	if in.value != nil {
		d.setValue(*in.value)
	}
	start := len(b)
	b = append(encode(b, &d.inodeHead), d.Block[:]...)
	b = append(encode(b, &d.inodeTail), d.InlineXattrs[:]...)
	sum := crc32c(inodeSeed(p.seed, number), b[start:])
	binary.LittleEndian.PutUint16(b[start+checksumLo:], lo16(sum))
	binary.LittleEndian.PutUint16(b[start+checksumHi:], hi16(sum))
	return b
}

// linksCount is 1 for a directory with more links than ext4 counts (dir_nlink).
func linksCount(in *inode) uint16 {
	if in.links > maxLinks {
		return 1
	}
	return uint16(in.links)
}

// time is the one time that an inode has. One that nobody gave is that of the file system.
func (p *plan) time(n *layers.Node) time.Time {
	if n.ModTime.IsZero() {
		return p.Now
	}
	return n.ModTime
}

func (d *diskInode) setTime(t time.Time) {
	seconds, extra := diskTime(t)
	d.Atime, d.Ctime, d.Mtime, d.Crtime = seconds, seconds, seconds, seconds
	d.AtimeExtra, d.CtimeExtra, d.MtimeExtra, d.CrtimeExtra = extra, extra, extra, extra
}

// The times that ext4 can tell, in seconds since 1970: from 1901 to 2446. (e2fsck takes those between 2310 and 2378 for
// a mistake that kernels before 3.14 made with times before 1970.)
const (
	minTime = -1 << 31
	maxTime = 1<<34 - 1<<31 - 1
)

// diskTime is a time as an inode has it: 32 bits of seconds, then two more of them below 30 of nanoseconds. Times
// that ext4 cannot tell are cut off at its first and last second, as the kernel does.
func diskTime(t time.Time) (seconds, extra uint32) {
	s, ns := t.Unix(), uint32(t.Nanosecond())
	if s < minTime || s > maxTime {
		s, ns = min(max(s, minTime), maxTime), 0
	}
	seconds = uint32(s)
	epoch := uint32((s-int64(int32(seconds)))>>32) & 3
	return seconds, ns<<2 | epoch
}
