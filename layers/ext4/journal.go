package ext4

import (
	"encoding/binary"
	"io"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const (
	journalMagic      = 0xc03b3998
	journalSuperblock = 4 // its block type: a superblock of version 2
)

// journalHeader is the beginning of struct journal_superblock_s, big-endian; zeroes follow.
// https://docs.kernel.org/filesystems/ext4/journal.html#super-block
type journalHeader struct {
	Magic           uint32
	Blocktype       uint32
	HSequence       uint32
	Blocksize       uint32
	Maxlen          uint32
	First           uint32
	Sequence        uint32
	Start           uint32 // zero: the journal is empty
	Errno           uint32
	FeatureCompat   uint32
	FeatureIncompat uint32
	FeatureROCompat uint32
	UUID            [16]byte
	NrUsers         uint32
}

// journalSizes are the sizes that mke2fs gives journals, in blocks, for file systems of less than below blocks.
var journalSizes = []struct{ below, journal uint64 }{
	{32768, 1024}, {256 << 10, 4096}, {512 << 10, 8192}, {4096 << 10, 16384}, {8192 << 10, 32768}, {16384 << 10, 65536},
	{32768 << 10, 131072},
}

const maxJournal = 262144

func journalBlocks(blocks uint64) uint64 {
	for _, s := range journalSizes {
		if blocks < s.below {
			return s.journal
		}
	}
	return maxJournal
}

// journal encodes an empty journal: its superblock, then zeroes. They are written, as the remains of another journal on
// the card could pass for transactions of this one.
func (p *plan) journal() tree.Content {
	size := p.inodes[journalInode].size
	header, _ := binary.Append(nil, binary.BigEndian, &journalHeader{
		Magic: journalMagic, Blocktype: journalSuperblock, Blocksize: blockSize, Maxlen: uint32(size / blockSize),
		First: 1, Sequence: 1, UUID: p.UUID, NrUsers: 1,
	})
	return tree.Content{ReaderAt: padded(header), Size: size}
}

// padded reads as its bytes, then zeroes.
type padded []byte

var _ io.ReaderAt = padded{}

func (z padded) ReadAt(b []byte, offset int64) (int, error) {
	n := 0
	if offset < int64(len(z)) {
		n = copy(b, z[offset:])
	}
	clear(b[n:])
	return len(b), nil
}
