package ext4

import (
	"math/bits"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const xattrMagic = 0xea020000

// xattrBlockHeader is struct ext4_xattr_header.
// https://docs.kernel.org/filesystems/ext4/attributes.html
type xattrBlockHeader struct {
	Magic    uint32
	Refcount uint32
	Blocks   uint32
	Hash     uint32
	Checksum uint32
	_        [3]uint32
}

// xattrEntry is struct ext4_xattr_entry; the name follows.
type xattrEntry struct {
	NameLen   uint8
	NameIndex uint8
	ValueOffs uint16
	ValueInum uint32
	ValueSize uint32
	Hash      uint32
}

// encodeInline encodes the attributes that lie behind the fields of the inode.
func (a *attributes) encodeInline(p *plan) (b [inlineXattrs]byte) {
	if len(a.inline) == 0 {
		return b
	}
	le.PutUint32(b[:], xattrMagic)
	p.putAttributes(b[4:], 0, a.inline, false)
	return b
}

// encodeBlock encodes the block of attributes.
func (a *attributes) encodeBlock(p *plan) []byte {
	b := make([]byte, blockSize)
	hash := p.putAttributes(b[blockHeader:], blockHeader, a.block, true)
	copy(b, encode(nil, &xattrBlockHeader{Magic: xattrMagic, Refcount: 1, Blocks: 1, Hash: hash}))
	at := le.AppendUint64(nil, a.at)
	le.PutUint32(b[16:], crc32c(p.seed, at, b))
	return b
}

// putAttributes puts entries at the beginning of b and values at its end, and returns the hash over all entries. Offsets
// of values count from base bytes before b.
func (p *plan) putAttributes(b []byte, base int, all []attribute, hashed bool) (hash uint32) {
	end := len(b)
	entries := b[:0]
	for _, a := range all {
		e := xattrEntry{NameLen: uint8(len(a.name)), NameIndex: a.index, ValueSize: uint32(len(a.value))}
		switch {
		case a.apart:
			e.ValueInum = a.inode
		case len(a.value) > 0:
			end -= a.valueSize()
			e.ValueOffs = uint16(base + end)
			copy(b[end:], a.value)
		}
		if hashed || a.apart {
			e.Hash = p.hashAttribute(a)
		}
		hash = bits.RotateLeft32(hash, 16) ^ e.Hash
		entries = encode(entries, &e)
		entries = append(entries, a.name...)
		entries = append(entries, make([]byte, -len(a.name)&3)...)
	}
	return hash
}

// hashAttribute returns the hash over the name and the value, or over the value's own hash if it has an inode.
func (p *plan) hashAttribute(a attribute) uint32 {
	hash := uint32(0)
	for i := range len(a.name) {
		hash = bits.RotateLeft32(hash, 5) ^ uint32(a.name[i])
	}
	value := []byte(a.value)
	if a.apart {
		value = le.AppendUint32(nil, crc32c(p.seed, value))
	}
	value = append(value, make([]byte, -len(value)&3)...)
	for ; len(value) > 0; value = value[4:] {
		hash = bits.RotateLeft32(hash, 16) ^ le.Uint32(value)
	}
	return hash
}

// addValues gives inodes to the values apart.
func (s *survey) addValues(attrs *attributes) {
	if attrs == nil {
		return
	}
	for i := range attrs.block {
		a := &attrs.block[i]
		if !a.apart {
			continue
		}
		node := special()
		node.Content = tree.Inline(a.value)
		hash := crc32c(s.seed, []byte(a.value))
		a.inode = s.append(inode{node: node, links: 1, size: node.Content.Size, valueHash: &hash})
		s.valueInodes = true
	}
}

// setValueHash stores the hash of a value in the place of its inode's times, and a reference count of 1 in that of the
// version.
func (d *diskInode) setValueHash(hash uint32) {
	d.Atime, d.AtimeExtra = hash, 0
	d.Ctime, d.CtimeExtra = 0, 0
	d.VersionLo = 1
}
