package ext4

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// setBlock overwrites a block. Those from freeBlock on are free in the seed.
func (d *damaged) setBlock(number uint64, content []byte) {
	copy(d.image[number*seedBlock:][:seedBlock], append(content, make([]byte, seedBlock)...))
}

const (
	seedBlock = 1024
	freeBlock = 60
)

// scatter encodes a leaf of 80 extents of length blocks, all at the same block, from a logical block on.
func scatter(logical, length uint32, start uint64) []byte {
	var extents []extent
	for i := range uint32(80) {
		extents = append(extents, extent{logical + i*length, length, start})
	}
	return extentNode(encodeExtents(extents), 84, 0)
}

// repeatDirectory makes a directory of 16 MB out of fifty blocks full of names.
func (d *damaged) repeatDirectory() {
	var names []byte
	for i := range seedBlock/12 - 1 {
		names = appendEntry(names, entry{string(rune('0' + i)), d.find("d", "e", "name-0"), 1}, 12)
	}
	names = appendEntry(names, entry{}, seedBlock-len(names))
	for i := range uint64(50) {
		d.setBlock(freeBlock+i, names)
	}
	var index []byte
	for i := range uint32(4) {
		d.setBlock(uint64(120+i), scatter(4000*i, 50, freeBlock))
		index = encode(index, &diskExtentIndex{Block: 4000 * i, LeafLo: 120 + i})
	}
	d.setExtents(d.find("d"), 16000<<10, extentNode(index, 4, 1))
}

// shareExtents gives thirty files the same extent tree.
func (d *damaged) shareExtents() {
	var index []byte
	for i := range uint32(40) {
		d.setBlock(uint64(freeBlock+1+i), scatter(1000*i, 2, 10))
		index = encode(index, &diskExtentIndex{Block: 1000 * i, LeafLo: freeBlock + 1 + i})
	}
	d.setBlock(freeBlock, extentNode(index, 84, 1))
	root := extentNode(encode(nil, &diskExtentIndex{LeafLo: freeBlock}), 4, 2)
	for i := range 30 {
		d.setExtents(d.find("d", "e", "name-"+strconv.Itoa(i)), 40<<20, root)
	}
}

func (d *damaged) setXattrBlock(number uint32) {
	d.inode(number, func(_ *inodeHead, tail *inodeTail, _ []byte) { tail.FileACLLo = freeBlock })
}

// xattrBlock encodes a block of attributes user.0 and so on.
func xattrBlock(entries int, e xattrEntry) []byte {
	block := encode(nil, &xattrBlockHeader{Magic: xattrMagic})
	e.NameLen, e.NameIndex = 1, 1
	for i := range entries {
		block = append(encode(block, &e), byte('0'+i), 0, 0, 0)
	}
	return block
}

type hostileImage struct {
	name  string
	image []byte
	err   string
}

// hostileImages are images that would make a reader without checks panic, allocate without bound or loop.
func hostileImages(tb testing.TB) []hostileImage {
	seed := seedImage(tb, "today")
	var all []hostileImage
	add := func(name, err string, change func(d *damaged)) {
		d := newDamaged(tb, seed)
		change(d)
		all = append(all, hostileImage{name, d.image, err})
	}
	super := func(name, err string, change func(*superblock)) { add(name, err, func(d *damaged) { d.super(change) }) }
	super("many groups", "inodes of 256 bytes per group", func(sb *superblock) { sb.InodesPerGroup, sb.InodesCount = 0, 1<<32-1 })
	super("descriptors beyond the end", "descriptor of block group 1: block number 4294967295 is beyond the 128 blocks", func(sb *superblock) {
		sb.InodesPerGroup, sb.InodesCount, sb.FirstDataBlock = 1, 1<<32-1, 1<<32-2
	})
	super("huge inodes", "inodes of 65535 bytes", func(sb *superblock) { sb.InodeSize = 1<<16 - 1 })
	super("huge descriptors", "descriptors of 65535 bytes", func(sb *superblock) { sb.DescSize = 1<<16 - 1 })
	super("tiny descriptors", "descriptors of 0 bytes", func(sb *superblock) { sb.DescSize = 0 })
	super("huge blocks", "block size is 2^4294967295 KiB", func(sb *superblock) { sb.LogBlockSize = 1<<32 - 1 })
	super("2^64 blocks", "is larger than its partition of 131072 bytes", func(sb *superblock) {
		sb.BlocksCountLo, sb.BlocksCountHi = 1<<32-1, 1<<32-1
	})
	add("directory in itself", "/d/e: directory has two names, as if hard-linked", func(d *damaged) {
		d.setBlock(17, appendEntry(appendEntry(nil, entry{"e", d.find("d"), 2}, 12), entry{}, 1012))
	})
	add("directory of the same blocks over and over", "/d: inode 12: ext4 file system is damaged: several inodes use the same metadata blocks",
		(*damaged).repeatDirectory)
	add("directory of a hole", "/d: inode 12: directory entry has 0 bytes", func(d *damaged) {
		d.setExtents(d.find("d"), 100<<10, extentNode(nil, 4, 0))
	})
	add("many extents in many files", "ext4 file system is damaged: several inodes use the same metadata blocks", (*damaged).shareExtents)
	add("extent tree that fans out", "/pieces: inode 48: extent tree is damaged", func(d *damaged) {
		d.setBlock(freeBlock, extentNode(nil, 84, 0))
		for depth := range uint16(4) {
			var index []byte
			for range 84 {
				index = encode(index, &diskExtentIndex{LeafLo: freeBlock + uint32(depth)})
			}
			d.setBlock(freeBlock+uint64(depth)+1, extentNode(index, 84, depth+1))
		}
		d.setExtents(d.find("pieces"), 10<<10, extentNode(encode(nil, &diskExtentIndex{LeafLo: freeBlock + 3}), 4, 4))
	})
	add("extent tree in a circle", "/pieces: inode 48: extent tree is damaged", func(d *damaged) {
		node := extentNode(encode(nil, &diskExtentIndex{LeafLo: freeBlock}), 4, 4)
		d.setBlock(freeBlock, node)
		d.setExtents(d.find("pieces"), 10<<10, node)
	})
	add("extents overlap", "extent tree is damaged", func(d *damaged) {
		d.setExtents(d.find("pieces"), 10<<10, extentNode(encodeExtents([]extent{{0, 2, 30}, {1, 1, 40}}), 4, 0))
	})
	add("extent beyond the end", "extent tree: blocks 127 to 128 are beyond the 128 blocks of the file system", func(d *damaged) {
		d.setExtents(d.find("pieces"), 10<<10, extentNode(encodeExtents([]extent{{0, 2, 127}}), 4, 0))
	})
	add("file of 2^63 bytes", "file size of 9223372036854775807 bytes exceeds 2^32 blocks", func(d *damaged) {
		d.setExtents(d.find("pieces"), 1<<63-1, extentNode(nil, 4, 0))
	})
	add("symlink of 1 MiB", "/long: inode 47: symlink target has 1048576 bytes, at most 4096 are allowed", func(d *damaged) {
		d.setExtents(d.find("long"), 1<<20, extentNode(nil, 4, 0))
	})
	add("attributes that share a value", "ext4 file system is damaged: several inodes use the same metadata blocks", func(d *damaged) {
		d.setBlock(freeBlock, xattrBlock(40, xattrEntry{ValueSize: 1000}))
		for i := range 30 {
			d.setXattrBlock(d.find("d", "e", "name-"+strconv.Itoa(i)))
		}
	})
	add("value of 4 GiB", "value has 4294967295 bytes, at most 65536 are allowed", func(d *damaged) {
		d.setBlock(freeBlock, xattrBlock(1, xattrEntry{ValueSize: 1<<32 - 1}))
		d.setXattrBlock(d.find("pieces"))
	})
	add("value in a directory", "extended attribute user.0: extended attributes are damaged", func(d *damaged) {
		d.setBlock(freeBlock, xattrBlock(1, xattrEntry{ValueInum: d.find("d"), ValueSize: 2000}))
		d.setXattrBlock(d.find("d"))
	})
	return all
}

func TestReadHostileImages(t *testing.T) {
	for _, h := range hostileImages(t) {
		t.Run(h.name, func(t *testing.T) {
			_, err := readWithinLimits(t, h.image)
			require.ErrorContains(t, err, h.err)
		})
	}
}
