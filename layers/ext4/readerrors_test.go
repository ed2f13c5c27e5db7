package ext4

import (
	"bytes"
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// damaged is an image whose structures are changed.
type damaged struct {
	tb     testing.TB
	image  []byte
	volume *volume // as it was
}

func newDamaged(tb testing.TB, image []byte) *damaged {
	tb.Helper()
	d := &damaged{tb: tb, image: bytes.Clone(image)}
	v, err := openVolume(bytes.NewReader(image), 0, int64(len(image)))
	require.NoError(tb, err)
	d.volume = v
	return d
}

func (d *damaged) super(change func(*superblock)) {
	sb := decode[superblock](d.image[superblockOffset:])
	change(&sb)
	copy(d.image[superblockOffset:], encode(nil, &sb))
}

func (d *damaged) inodeOffset(number uint32) int64 {
	d.tb.Helper()
	table, err := d.volume.inodeTable((number - 1) / d.volume.InodesPerGroup)
	require.NoError(d.tb, err)
	return d.volume.position(table) + int64((number-1)%d.volume.InodesPerGroup)*int64(d.volume.InodeSize)
}

// inode changes the fields of an inode and its i_block.
func (d *damaged) inode(number uint32, change func(head *inodeHead, tail *inodeTail, block []byte)) {
	d.tb.Helper()
	raw := d.image[d.inodeOffset(number):][:d.volume.InodeSize]
	all := make([]byte, inodeSize)
	copy(all, raw)
	head, tail := decode[inodeHead](all), decode[inodeTail](all[tailOffset:])
	change(&head, &tail, all[blockOffset:tailOffset])
	copy(all, encode(nil, &head))
	copy(all[tailOffset:], encode(nil, &tail))
	copy(raw, all)
}

// find returns the inode of a path.
func (d *damaged) find(path ...string) uint32 {
	d.tb.Helper()
	d.volume.unread = int64(len(d.image))
	number := uint32(rootInode)
	for _, name := range path {
		in, err := d.volume.inode(number)
		require.NoError(d.tb, err)
		entries, err := in.entries()
		require.NoError(d.tb, err)
		number = 0
		for _, e := range entries {
			if e.name == name {
				number = e.inode
			}
		}
		require.NotZero(d.tb, number, name)
	}
	return number
}

// setExtents points an inode at a list of extents in blocks of their own.
func (d *damaged) setExtents(number uint32, size uint64, node []byte) {
	d.inode(number, func(head *inodeHead, tail *inodeTail, block []byte) {
		head.SizeLo, tail.SizeHi, head.Flags = lo32(size), hi32(size), flagExtents
		copy(block, node)
	})
}

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
	super("descriptors beyond the end", "descriptor of group 1: block 4294967295 of 128", func(sb *superblock) {
		sb.InodesPerGroup, sb.InodesCount, sb.FirstDataBlock = 1, 1<<32-1, 1<<32-2
	})
	super("huge inodes", "inodes of 65535 bytes", func(sb *superblock) { sb.InodeSize = 1<<16 - 1 })
	super("huge descriptors", "descriptors of 65535 bytes", func(sb *superblock) { sb.DescSize = 1<<16 - 1 })
	super("tiny descriptors", "descriptors of 0 bytes", func(sb *superblock) { sb.DescSize = 0 })
	super("huge blocks", "block size is 2^4294967295 KiB", func(sb *superblock) { sb.LogBlockSize = 1<<32 - 1 })
	super("2^64 blocks", "is larger than its partition of 131072 bytes", func(sb *superblock) {
		sb.BlocksCountLo, sb.BlocksCountHi = 1<<32-1, 1<<32-1
	})
	add("directory in itself", "/d/e: directory with two names", func(d *damaged) {
		d.setBlock(17, appendEntry(appendEntry(nil, entry{"e", d.find("d"), 2}, 12), entry{}, 1012))
	})
	add("directory of the same blocks over and over", "/d: inode 12: metadata blocks are used many times over",
		(*damaged).repeatDirectory)
	add("directory of a hole", "/d: inode 12: directory entry has 0 bytes", func(d *damaged) {
		d.setExtents(d.find("d"), 100<<10, extentNode(nil, 4, 0))
	})
	add("many extents in many files", "metadata blocks are used many times over", (*damaged).shareExtents)
	add("extent tree that fans out", "/pieces: inode 48: extents are damaged", func(d *damaged) {
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
	add("extent tree in a circle", "/pieces: inode 48: extents are damaged", func(d *damaged) {
		node := extentNode(encode(nil, &diskExtentIndex{LeafLo: freeBlock}), 4, 4)
		d.setBlock(freeBlock, node)
		d.setExtents(d.find("pieces"), 10<<10, node)
	})
	add("extents overlap", "extents are damaged", func(d *damaged) {
		d.setExtents(d.find("pieces"), 10<<10, extentNode(encodeExtents([]extent{{0, 2, 30}, {1, 1, 40}}), 4, 0))
	})
	add("extent beyond the end", "extents: blocks 127 to 128 of 128", func(d *damaged) {
		d.setExtents(d.find("pieces"), 10<<10, extentNode(encodeExtents([]extent{{0, 2, 127}}), 4, 0))
	})
	add("file of 2^63 bytes", "size 9223372036854775807 is more than 2^32 blocks", func(d *damaged) {
		d.setExtents(d.find("pieces"), 1<<63-1, extentNode(nil, 4, 0))
	})
	add("symlink of 1 MiB", "/long: inode 47: symlink target of 1048576 bytes, more than 4096", func(d *damaged) {
		d.setExtents(d.find("long"), 1<<20, extentNode(nil, 4, 0))
	})
	add("attributes that share a value", "metadata blocks are used many times over", func(d *damaged) {
		d.setBlock(freeBlock, xattrBlock(40, xattrEntry{ValueSize: 1000}))
		for i := range 30 {
			d.setXattrBlock(d.find("d", "e", "name-"+strconv.Itoa(i)))
		}
	})
	add("value of 4 GiB", "value of 4294967295 bytes, more than 65536", func(d *damaged) {
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

func TestReadErrors(t *testing.T) {
	good := seedImage(t, "today")
	_, err := readBytes(t.Context(), good)
	require.NoError(t, err)
	for want, change := range map[string]func(*superblock){
		"no ext4 superblock at byte 1024: magic number is 0xef00, want 0xef53": func(sb *superblock) { sb.Magic = 0xef00 },
		"ext4 file system of 256 blocks of 1024 bytes is larger than its partition of 131072 bytes": func(sb *superblock) {
			sb.BlocksCountLo = 256
		},
		"ext4 superblock is damaged: 0 inodes of 256 bytes per group, descriptors of 64 bytes": func(sb *superblock) {
			sb.InodesPerGroup = 0
		},
		"ext4 superblock: block size is 2^7 KiB, want at most 64 KiB": func(sb *superblock) { sb.LogBlockSize = 7 },
		"ext4 file system was not unmounted and its journal not replayed: run e2fsck -f on the partition": func(sb *superblock) {
			sb.FeatureIncompat |= incompatNeedsRecovery
		},
		"ext4 file system is not clean (state 0x0): run e2fsck -f on the partition": func(sb *superblock) { sb.State = 0 },
		"ext4 file system is not clean (state 0x3): run e2fsck -f on the partition": func(sb *superblock) { sb.State = 3 },
		"external journal of an ext4 file system, not a file system": func(sb *superblock) {
			sb.FeatureIncompat = incompatJournalDev
		},
		"ext2 or ext3 is not supported (no feature extent): copy the files to an ext4 file system": func(sb *superblock) {
			sb.FeatureIncompat = incompatFiletype
		},
		"ext4 feature inline_data, casefold, FEATURE_I31, bigalloc is not supported: copy the files to a file system without " +
			"it, as with mke2fs -t ext4 -O ^inline_data,^casefold,^FEATURE_I31,^bigalloc -d DIRECTORY": func(sb *superblock) {
			sb.FeatureIncompat |= 0x8000 | 0x20000 | 1<<31
			sb.FeatureROCompat |= roCompatBigalloc
		},
	} {
		d := newDamaged(t, good)
		d.super(change)
		_, err := readBytes(t.Context(), d.image)
		require.EqualError(t, err, want)
	}
	for want, flag := range map[string]uint32{
		"encrypted content is not supported": flagEncrypted, "inline data is not supported": flagInlineData,
		"fs-verity is not supported: the copy would not be protected": flagVerity,
	} {
		d := newDamaged(t, good)
		d.inode(d.find("d", "file"), func(head *inodeHead, _ *inodeTail, _ []byte) { head.Flags |= flag })
		_, err := readBytes(t.Context(), d.image)
		require.EqualError(t, err, "/d/file: inode 44: "+want)
	}
	d := newDamaged(t, good)
	d.inode(d.find("d", "file"), func(head *inodeHead, _ *inodeTail, _ []byte) { head.Flags = 0 })
	_, err = readBytes(t.Context(), d.image)
	require.EqualError(t, err, "/d/file: inode 44: block map of ext3 is not supported: run chattr +e on the file")
	_, err = readBytes(t.Context(), good[:1500])
	require.EqualError(t, err, "read ext4 superblock: EOF")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = readBytes(ctx, good)
	require.ErrorIs(t, err, context.Canceled)
}

// An entry that fills a block of 64 KiB has a length of 65535 or 0.
func TestReadEntryOf64KiB(t *testing.T) {
	for _, length := range []uint16{0, maxBlock - 1} {
		block := append(encode(nil, &diskEntry{RecLen: length, Inode: 12, NameLen: 1}), 'x')
		entries, err := appendEntries(nil, append(block, make([]byte, maxBlock-len(block))...))
		require.NoError(t, err)
		require.Equal(t, []entry{{"x", 12, 0}}, entries)
	}
	_, err := appendEntries(nil, make([]byte, 1024))
	require.EqualError(t, err, "directory entry has 0 bytes and a name of 0, in a space of 1024")
}
