package disk

import (
	"encoding/binary"
	"errors"
	"os"
	"time"
)

// fatImage is a FAT32 file system in a file, as far as repairing what go-diskfs leaves wrong needs it. The defects are
// listed in docs/upstream.md.
type fatImage struct {
	f        *os.File
	start    int64 // of the partition, in bytes
	reserved int64 // bytes before the first table
	size     int64 // of each of the two tables, in bytes
	cluster  int64 // size of a cluster in bytes
	data     int64 // where cluster 2 begins
	table    []uint32
}

// Offsets in the boot sector and in the FSInfo sector.
const (
	offsetReserved = 14
	offsetHidden   = 28
	offsetFATSize  = 36
	offsetSerial   = 67
	backupBoot     = 6 // sectors
	infoSector     = 1
	infoFree       = 488
	infoNext       = 492
)

// repairFAT sets what go-diskfs cannot be told or gets wrong: the volume ID, the sectors before the partition, the
// count of free clusters, and in every directory the times of "." and ".." and, below the root, the cluster of "..". It
// tells where data lies.
func repairFAT(f *os.File, p partition, serial uint32, when time.Time) ([]span, error) {
	img, err := openFAT(f, p)
	if err != nil {
		return nil, err
	}
	return img.used(), errors.Join(img.header(p, serial), img.directory(2, 0, when))
}

// openFAT reads the tables.
func openFAT(f *os.File, p partition) (img fatImage, err error) {
	var boot [sector]byte
	if _, err := f.ReadAt(boot[:], p.start); err != nil {
		return img, err
	}
	img = fatImage{
		f: f, start: p.start, cluster: int64(boot[13]) * sector,
		reserved: int64(binary.LittleEndian.Uint16(boot[offsetReserved:])) * sector,
		size:     int64(binary.LittleEndian.Uint32(boot[offsetFATSize:])) * sector,
	}
	img.data = p.start + img.reserved + 2*img.size
	raw := make([]byte, img.size)
	if _, err := f.ReadAt(raw, p.start+img.reserved); err != nil {
		return img, err
	}
	clusters := min((p.start+p.size-img.data)/img.cluster+2, img.size/4)
	for i := range clusters {
		img.table = append(img.table, binary.LittleEndian.Uint32(raw[4*i:])&0x0fffffff)
	}
	return img, nil
}

// used are the tables, with all that lies before the first cluster, and the clusters that something lies in. The others
// need not be written: nobody reads them.
func (img fatImage) used() []span {
	out := []span{{img.start, img.data}}
	for i, next := range img.table {
		if i >= 2 && next != 0 {
			at := img.data + int64(i-2)*img.cluster
			out = append(out, span{at, at + img.cluster})
		}
	}
	return out
}

// header sets the fields of the boot sector, of FSInfo and of their copies.
func (img fatImage) header(p partition, serial uint32) error {
	var free, last uint32
	for i, next := range img.table {
		switch {
		case i < 2:
		case next == 0:
			free++
		default:
			last = uint32(i)
		}
	}
	var errs []error
	for _, first := range []int64{0, backupBoot} {
		errs = append(errs,
			img.put(first*sector+offsetSerial, serial),
			img.put(first*sector+offsetHidden, uint32(p.start/sector)),
			img.put((first+infoSector)*sector+infoFree, free),
			img.put((first+infoSector)*sector+infoNext, last))
	}
	return errors.Join(errs...)
}

func (img fatImage) put(offset int64, value uint32) error {
	_, err := img.f.WriteAt(binary.LittleEndian.AppendUint32(nil, value), img.start+offset)
	return err
}

// directory repairs the directory at a cluster, and those below it. parent is its parent's cluster, 0 for the root.
func (img fatImage) directory(cluster, parent uint32, when time.Time) error {
	block := make([]byte, img.cluster)
	for at := cluster; at >= 2 && int(at) < len(img.table); at = img.table[at] {
		offset := img.data + int64(at-2)*img.cluster
		if _, err := img.f.ReadAt(block, offset); err != nil {
			return err
		}
		for entry := block; len(entry) >= 32 && entry[0] != 0; entry = entry[32:] {
			if err := img.entry(entry[:32], cluster, parent, when); err != nil {
				return err
			}
		}
		if _, err := img.f.WriteAt(block, offset); err != nil {
			return err
		}
	}
	return nil
}

// Attributes of a directory entry; a long name has the four lowest set.
const (
	attrVolume    = 0x08
	attrDirectory = 0x10
	attrLongName  = 0x0f
	deleted       = 0xe5
)

func (img fatImage) entry(e []byte, cluster, parent uint32, when time.Time) error {
	attr := e[11]
	if e[0] == deleted || attr&attrLongName == attrLongName {
		return nil
	}
	setTimes(e, when)
	if attr&attrVolume != 0 || attr&attrDirectory == 0 {
		return nil
	}
	switch string(e[:11]) {
	case ".          ":
	case "..         ":
		binary.LittleEndian.PutUint16(e[20:], uint16(parent>>16))
		binary.LittleEndian.PutUint16(e[26:], uint16(parent))
	default:
		child := uint32(binary.LittleEndian.Uint16(e[20:]))<<16 | uint32(binary.LittleEndian.Uint16(e[26:]))
		above := cluster
		if cluster == 2 {
			above = 0 // the root has no cluster number for those who point back at it
		}
		return img.directory(child, above, when)
	}
	return nil
}

// setTimes writes the times of making, access and change.
func setTimes(e []byte, when time.Time) {
	when = when.UTC()
	day := uint16((when.Year()-1980)<<9 | int(when.Month())<<5 | when.Day())
	second := uint16(when.Hour()<<11 | when.Minute()<<5 | when.Second()/2)
	e[13] = byte(when.Second() % 2 * 100)
	binary.LittleEndian.PutUint16(e[14:], second)
	binary.LittleEndian.PutUint16(e[16:], day)
	binary.LittleEndian.PutUint16(e[18:], day)
	binary.LittleEndian.PutUint16(e[22:], second)
	binary.LittleEndian.PutUint16(e[24:], day)
}
