package fat

import (
	"context"
	"encoding/binary"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// writeHeader writes all that lies before the first cluster.
func (fs *FileSystem) writeHeader(out *output) error {
	boot, info := fs.bootSector(), fs.info()
	for _, sector := range []struct {
		number int64
		data   []byte
	}{{0, boot}, {infoSector, info}, {backupSector, boot}, {backupSector + infoSector, info}} {
		if err := out.fillTo(sector.number * sectorSize); err != nil {
			return err
		}
		if _, err := out.Write(sector.data); err != nil {
			return err
		}
	}
	if err := out.fillTo(fs.reserved); err != nil {
		return err
	}
	for i := range fs.copies {
		if err := fs.writeFAT(out, fs.reserved+i*fs.fat); err != nil {
			return err
		}
	}
	return nil
}

// bootSector returns the boot sector. Its code ends the start of a PC at once: nothing else is there to be started.
func (fs *FileSystem) bootSector() []byte {
	b := encode(make([]byte, 0, sectorSize), &bootSector{
		Jump:              [3]byte{0xeb, 0x58, 0x90},
		OEM:               [8]byte([]byte("MSWIN4.1")),
		BytesPerSector:    sectorSize,
		SectorsPerCluster: uint8(fs.cluster / sectorSize),
		ReservedSectors:   uint16(fs.reserved / sectorSize),
		FATs:              uint8(fs.copies),
		Media:             0xf8,
		SectorsPerTrack:   63,
		Heads:             255,
		HiddenSectors:     uint32(fs.options.Start / sectorSize),
		Sectors:           uint32(fs.size / sectorSize),
		FATSectors:        uint32(fs.fat / sectorSize),
		RootCluster:       firstData,
		InfoSector:        infoSector,
		BackupSector:      backupSector,
		Drive:             0x80,
		ExtendedSignature: 0x29,
		Serial:            fs.options.Serial,
		Label:             fs.label,
		Type:              [8]byte([]byte("FAT32   ")),
	})
	b = append(b, 0xcd, 0x18) // int 18h: no system here
	return binary.LittleEndian.AppendUint16(b[:sectorSize-2], bootSignature)
}

// info returns the FSInfo sector.
func (fs *FileSystem) info() []byte {
	return encode(nil, &fsInfo{
		LeadSignature: infoLead, Signature: infoSignature, TrailSignature: infoTrail,
		FreeClusters: fs.clusters - (fs.next - firstData), LastAllocated: fs.next - 1,
	})
}

// writeFAT writes one of the two FATs, from an offset on.
func (fs *FileSystem) writeFAT(out *output, offset int64) error {
	if err := out.skipTo(offset); err != nil {
		return err
	}
	table := binary.LittleEndian.AppendUint32(nil, fatMedia)
	table = binary.LittleEndian.AppendUint32(table, fatEnd) // cleanly unmounted, without errors
	for _, f := range fs.files {
		for i := range f.clusters {
			next := uint32(fatEnd)
			if i+1 < f.clusters {
				next = f.first + i + 1
			}
			table = binary.LittleEndian.AppendUint32(table, next)
		}
		if _, err := out.Write(table); err != nil {
			return err
		}
		table = table[:0]
	}
	return out.fillTo(offset + fs.usedFAT())
}

// writeFile writes the clusters of a file or directory.
func (fs *FileSystem) writeFile(ctx context.Context, out *output, f *file) error {
	if f.clusters == 0 {
		return nil
	}
	if f.node.Type == tree.Directory {
		if _, err := out.Write(fs.directory(f)); err != nil {
			return err
		}
	} else if err := out.copy(ctx, f.node.Content); err != nil {
		return err
	}
	return out.fillTo(fs.offset(f.first + f.clusters))
}
