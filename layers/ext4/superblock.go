package ext4

import (
	"fmt"
	"io"
	"time"
)

const (
	superblockOffset = 1024 // in bytes, of the first copy
	superblockSize   = 1024
	superMagic       = 0xef53
	stateClean       = 1
	stateErrors      = 2
	errorsContinue   = 1
	dynamicRevision  = 1
	checksumCRC32C   = 1
	hashHalfMD4      = 1
	flagUnsignedHash = 0x2 // directory hashes take characters as unsigned, as on ARM
	mountUserXattr   = 0x4
	mountACL         = 0x8
	journalBackup    = 1 // JnlBlocks holds i_block and i_size of the journal
)

// superblock is struct ext4_super_block.
// https://docs.kernel.org/filesystems/ext4/super.html
type superblock struct {
	InodesCount       uint32
	BlocksCountLo     uint32
	RBlocksCountLo    uint32
	FreeBlocksCountLo uint32
	FreeInodesCount   uint32
	FirstDataBlock    uint32
	LogBlockSize      uint32
	LogClusterSize    uint32
	BlocksPerGroup    uint32
	ClustersPerGroup  uint32
	InodesPerGroup    uint32
	Mtime             uint32
	Wtime             uint32
	MntCount          uint16
	MaxMntCount       uint16
	Magic             uint16
	State             uint16
	Errors            uint16
	MinorRevLevel     uint16
	Lastcheck         uint32
	Checkinterval     uint32
	CreatorOS         uint32
	RevLevel          uint32
	DefResuid         uint16
	DefResgid         uint16
	FirstIno          uint32
	InodeSize         uint16
	BlockGroupNr      uint16
	FeatureCompat     uint32
	FeatureIncompat   uint32
	FeatureROCompat   uint32
	UUID              [16]byte
	VolumeName        [16]byte
	LastMounted       [64]byte
	_                 uint32
	_                 [2]uint8
	ReservedGDTBlocks uint16
	JournalUUID       [16]byte
	JournalInum       uint32
	JournalDev        uint32
	LastOrphan        uint32
	HashSeed          [16]byte
	DefHashVersion    uint8
	JnlBackupType     uint8
	DescSize          uint16
	DefaultMountOpts  uint32
	FirstMetaBG       uint32
	MkfsTime          uint32
	JnlBlocks         [60]byte
	JnlSizeHi         uint32
	JnlSizeLo         uint32
	BlocksCountHi     uint32
	RBlocksCountHi    uint32
	FreeBlocksCountHi uint32
	MinExtraIsize     uint16
	WantExtraIsize    uint16
	Flags             uint32
	_                 [16]byte // RAID and multiple mount protection
	LogGroupsPerFlex  uint8
	ChecksumType      uint8
	_                 uint16
	KbytesWritten     uint64
	_                 [20]byte  // snapshots
	_                 [108]byte // the first and the last error
	_                 [64]byte  // mount options
	UsrQuotaInum      uint32
	GrpQuotaInum      uint32
	OverheadClusters  uint32
	_                 [36]byte // sparse_super2, encryption, lost+found, project quota
	ChecksumSeed      uint32
	WtimeHi           uint8
	MtimeHi           uint8
	MkfsTimeHi        uint8
	LastcheckHi       uint8
	_                 [8]byte
	OrphanFileInum    uint32
	_                 [376]byte
	Checksum          uint32
}

// readSuperblock reads the superblock of a file system that begins at an offset in bytes.
func readSuperblock(r io.ReaderAt, offset int64) (*superblock, error) {
	b := make([]byte, superblockSize)
	if _, err := r.ReadAt(b, offset+superblockOffset); err != nil {
		return nil, fmt.Errorf("read ext4 superblock: %w", err)
	}
	sb := decode[superblock](b)
	switch {
	case sb.Magic != superMagic:
		return nil, fmt.Errorf("no ext4 superblock at byte %d: magic number is %#x, want %#x",
			offset+superblockOffset, sb.Magic, superMagic)
	case sb.LogBlockSize > maxLogBlockSize:
		return nil, fmt.Errorf("ext4 superblock: block size is 2^%d KiB, want at most 64 KiB", sb.LogBlockSize)
	}
	return &sb, nil
}

// blockSize is in bytes.
func (sb *superblock) blockSize() int64 { return 1024 << sb.LogBlockSize }

// blocks is the number of blocks of the file system.
func (sb *superblock) blocks() uint64 { return join(sb.BlocksCountLo, sb.BlocksCountHi) }

// superblock encodes the copy of a group. Only the first is marked clean, so that a restored backup gets checked.
func (p *plan) superblock(group uint32) []byte {
	sb := superblock{
		BlocksPerGroup: blocksPerGroup, ClustersPerGroup: blocksPerGroup,
		LogBlockSize: 2, LogClusterSize: 2,
		MaxMntCount: 0xffff, Magic: superMagic, Errors: errorsContinue, RevLevel: dynamicRevision,
		FirstIno: firstInode, InodeSize: inodeSize, DescSize: descriptorSize,
		MinExtraIsize: extraSize, WantExtraIsize: extraSize,
		DefHashVersion: hashHalfMD4, HashSeed: p.UUID, Flags: flagUnsignedHash,
		DefaultMountOpts: mountUserXattr | mountACL,
		LogGroupsPerFlex: logGroupsPerFlex, ChecksumType: checksumCRC32C,
		UUID: p.UUID, BlockGroupNr: uint16(group),
	}
	copy(sb.VolumeName[:], p.Label)
	if group == 0 {
		sb.State = stateClean
	}
	p.setFeatures(&sb)
	p.setCounts(&sb)
	p.setTimes(&sb)
	p.setJournal(&sb)
	b := encode(nil, &sb)
	le.PutUint32(b[len(b)-4:], crc32c(^uint32(0), b[:len(b)-4]))
	return b
}

func (p *plan) setFeatures(sb *superblock) {
	sb.FeatureCompat = compatHasJournal | compatExtAttr | compatDirIndex
	sb.FeatureIncompat = incompatFiletype | incompatExtents | incompat64Bit | incompatFlexBG
	sb.FeatureROCompat = roCompatSparseSuper | roCompatLargeFile | roCompatHugeFile | roCompatDirNlink |
		roCompatExtraIsize | roCompatMetadataCsum
	if p.reserved > 0 {
		sb.FeatureCompat |= compatResizeInode
		sb.ReservedGDTBlocks = uint16(p.reserved)
	}
	if p.valueInodes {
		sb.FeatureIncompat |= incompatEAInode
	}
	if p.ChecksumSeed {
		sb.FeatureIncompat |= incompatChecksumSeed
		sb.ChecksumSeed = p.seed
	}
	if p.orphanInode != 0 {
		sb.FeatureCompat |= compatOrphanFile
		sb.OrphanFileInum = p.orphanInode
	}
}

func (p *plan) setCounts(sb *superblock) {
	sb.InodesCount, sb.InodesPerGroup = p.inodeCount(), p.inodesPerGroup
	sb.FreeInodesCount = p.inodeCount() - p.lastInode()
	sb.BlocksCountLo, sb.BlocksCountHi = lo32(p.blocks), hi32(p.blocks)
	sb.FreeBlocksCountLo, sb.FreeBlocksCountHi = lo32(p.freeBlocks()), hi32(p.freeBlocks())
	sb.RBlocksCountLo, sb.RBlocksCountHi = lo32(p.rootBlocks()), hi32(p.rootBlocks())
	sb.OverheadClusters = uint32(p.fixedBlocks() + journalBlocks(p.blocks))
}

func (p *plan) setTimes(sb *superblock) {
	lo, hi := superTime(p.Now)
	sb.Wtime, sb.WtimeHi = lo, hi
	sb.MkfsTime, sb.MkfsTimeHi = lo, hi
	sb.Lastcheck, sb.LastcheckHi = lo, hi
}

// superTime splits a time into the 40 bits of seconds that the superblock stores.
func superTime(t time.Time) (lo uint32, hi uint8) {
	s := uint64(max(0, t.Unix()))
	return uint32(s), uint8(s >> 32)
}

func (p *plan) setJournal(sb *superblock) {
	journal := p.inodes[journalInode]
	sb.JournalInum = journalInode
	sb.JnlBackupType = journalBackup
	sb.JnlBlocks = p.blockField(journalInode)
	sb.JnlSizeHi, sb.JnlSizeLo = hi32(uint64(journal.size)), lo32(uint64(journal.size))
}
