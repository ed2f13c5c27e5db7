package ext4

import (
	"bytes"
	"context"
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
		"file content is encrypted, which is not supported": flagEncrypted, "file content is inline data, which is not supported": flagInlineData,
		"file has fs-verity, which is not supported: a copy would not be protected": flagVerity,
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
