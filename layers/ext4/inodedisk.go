package ext4

import (
	"slices"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const (
	extraSize = 32 // of the fields behind the first 128 bytes

	// Offsets of fields.
	blockOffset = 0x28
	tailOffset  = 0x64
	checksumLo  = 0x7c
	checksumHi  = 0x82

	mtimeExtraEnd = 12 // ExtraIsize from which on an inode has MtimeExtra

	flagImmutable  = 0x10
	flagAppendOnly = 0x20
	flagEncrypted  = 0x800
	flagIndexed    = 0x1000 // the directory is an htree
	flagExtents    = 0x80000
	flagVerity     = 0x100000
	flagEAInode    = 0x200000
	flagInlineData = 0x10000000
)

// modeTypes are the upper four bits of Mode.
var modeTypes = [...]uint16{
	tree.Fifo: 0x1000, tree.Char: 0x2000, tree.Directory: 0x4000, tree.Block: 0x6000, tree.Regular: 0x8000,
	tree.Symlink: 0xa000, tree.Socket: 0xc000,
}

func nodeType(mode uint16) (kind tree.Type, known bool) {
	i := slices.Index(modeTypes[:], mode&0xf000)
	return tree.Type(max(i, 0)), i >= 0
}

// diskInode is struct ext4_inode, in parts because encoding/binary is slow with arrays and inodes are many.
// https://docs.kernel.org/filesystems/ext4/inodes.html
type diskInode struct {
	inodeHead
	Block [tailOffset - blockOffset]byte
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

// sectors returns i_blocks: the inode's blocks, including metadata, in units of 512 bytes.
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
	if in.valueHash != nil {
		flags |= flagEAInode
	}
	if in.node.Immutable {
		flags |= flagImmutable
	}
	if in.node.AppendOnly {
		flags |= flagAppendOnly
	}
	return flags
}

// blockField returns i_block, whose meaning depends on the type of the inode.
func (p *plan) blockField(number uint32) (b [tailOffset - blockOffset]byte) {
	in := p.inodes[number]
	switch {
	case number == resizeInode:
		le.PutUint32(b[doublyIndirect*4:], uint32(p.resize))
	case in.isFastSymlink():
		copy(b[:], in.node.Target)
	case in.isDevice():
		putDevice(b[:], in.node.Major, in.node.Minor)
	case in.hasExtents():
		copy(b[:], p.extentTree(number)[0])
	}
	return b
}

// putDevice encodes a device number in the old form if that can hold it, and in the new one behind it otherwise.
func putDevice(b []byte, major, minor uint32) {
	if major < 256 && minor < 256 {
		le.PutUint32(b, major<<8|minor)
		return
	}
	le.PutUint32(b[4:], minor&0xff|major<<8|minor&^0xff<<12)
}

// device is the inverse of putDevice.
func device(b []byte) (major, minor uint32) {
	if old := le.Uint32(b); old != 0 {
		return old >> 8 & 0xff, old & 0xff
	}
	number := le.Uint32(b[4:])
	return number >> 8 & 0xfff, number&0xff | number>>12&0xfff00
}

// encodeInode appends an inode as the inode table holds it.
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
	if in.valueHash != nil {
		d.setValueHash(*in.valueHash)
	}
	start := len(b)
	b = append(encode(b, &d.inodeHead), d.Block[:]...)
	b = append(encode(b, &d.inodeTail), d.InlineXattrs[:]...)
	sum := crc32c(inodeSeed(p.seed, number), b[start:])
	le.PutUint16(b[start+checksumLo:], lo16(sum))
	le.PutUint16(b[start+checksumHi:], hi16(sum))
	return b
}

// linksCount returns 1 for a directory with more links than ext4 counts (dir_nlink).
func linksCount(in *inode) uint16 {
	if in.links > maxLinks {
		return 1
	}
	return uint16(in.links)
}
