package fat

import (
	"encoding/binary"
	"math/bits"
)

const (
	sectorSize = 512
	blockSize  = 4096 // unit of writing: reserved sectors, FATs and data area are multiples
	entrySize  = 32   // of a directory entry

	infoSector   = 1
	backupSector = 6 // copies of the boot sector and of FSInfo start here

	bootSignature = 0xaa55 // in the last two bytes of a boot sector
	infoLead      = 0x41615252
	infoSignature = 0x61417272
	infoTrail     = 0xaa550000
)

// bootSector holds the fields of a FAT32 boot sector; the boot code follows.
type bootSector struct {
	Jump              [3]byte
	OEM               [8]byte
	BytesPerSector    uint16
	SectorsPerCluster uint8
	ReservedSectors   uint16
	FATs              uint8
	RootEntries16     uint16 // FAT12 and FAT16: entries of the root directory
	Sectors16         uint16
	Media             uint8
	FATSectors16      uint16 // zero on FAT32
	SectorsPerTrack   uint16
	Heads             uint16
	HiddenSectors     uint32 // before the partition
	Sectors           uint32
	FATSectors        uint32
	Flags             uint16
	Version           uint16
	RootCluster       uint32
	InfoSector        uint16
	BackupSector      uint16
	_                 [12]byte
	Drive             uint8
	_                 uint8
	ExtendedSignature uint8
	Serial            uint32
	Label             [11]byte
	Type              [8]byte
}

// fsInfo is the FSInfo sector.
type fsInfo struct {
	LeadSignature  uint32
	_              [480]byte
	Signature      uint32
	FreeClusters   uint32
	LastAllocated  uint32
	_              [12]byte
	TrailSignature uint32
}

// dirEntry is a directory entry with a short name.
type dirEntry struct {
	Name         [11]byte
	Attributes   uint8
	Case         uint8 // caseBase, caseExtension
	CreatedTenth uint8 // in units of 10 ms
	CreatedTime  uint16
	CreatedDate  uint16
	AccessDate   uint16
	ClusterHigh  uint16
	ModifiedTime uint16
	ModifiedDate uint16
	ClusterLow   uint16
	Size         uint32
}

func (e *dirEntry) cluster() uint32 { return uint32(e.ClusterHigh)<<16 | uint32(e.ClusterLow) }

func (e *dirEntry) setCluster(c uint32) { e.ClusterHigh, e.ClusterLow = uint16(c>>16), uint16(c) }

// longEntry is a directory entry with thirteen UTF-16 units of a long name.
type longEntry struct {
	Order      uint8 // from 1; lastLong marks the last part, which comes first on disk
	Name1      [5]uint16
	Attributes uint8
	Type       uint8
	Checksum   uint8 // of the short name
	Name2      [6]uint16
	Cluster    uint16
	Name3      [2]uint16
}

const (
	attrVolume    = 0x08
	attrDirectory = 0x10
	attrArchive   = 0x20
	attrLong      = 0x0f // of long entries
	attrMask      = 0x3f

	caseBase      = 0x08 // the base of the name is shown in lower case
	caseExtension = 0x10

	lastLong     = 0x40
	unitsPerLong = 13

	entryEnd     = 0x00 // first byte of the entry after the last one
	entryDeleted = 0xe5
	entryE5      = 0x05 // stands for a first byte 0xe5
)

// Values in the FAT, of which the upper four bits are reserved.
const (
	fatMask   = 0x0fffffff
	fatBad    = 0x0ffffff7
	fatEnd    = 0x0fffffff // written as end of a chain
	fatMedia  = 0x0ffffff8
	firstData = 2 // number of the first cluster
)

// encode appends a structure as it lies on disk.
func encode(b []byte, structure any) []byte {
	b, err := binary.Append(b, binary.LittleEndian, structure)
	if err != nil {
		panic(err) // a type without a fixed size
	}
	return b
}

// decode fills a structure from its bytes on disk.
func decode(b []byte, structure any) {
	if _, err := binary.Decode(b, binary.LittleEndian, structure); err != nil {
		panic(err) // too few bytes
	}
}

// checksum ties the long entries to the short name that follows them.
func checksum(short [11]byte) (sum uint8) {
	for _, b := range short {
		sum = bits.RotateLeft8(sum, -1) + b
	}
	return sum
}
