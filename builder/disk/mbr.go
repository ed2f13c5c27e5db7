package disk

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/diskfs/go-diskfs/partition/mbr"
)

// partition is one entry of the partition table, in bytes.
type partition struct {
	kind        mbr.Type
	start, size int64
}

// The types of partitions: FAT32 with LBA, and Linux.
const (
	typeFAT32 mbr.Type = mbr.Fat32LBA
	typeLinux mbr.Type = mbr.Linux
)

const sector = 512

// signatureOffset is where the disk signature lies in the MBR.
const signatureOffset = 440

func writeMBR(f *os.File, signature uint32, parts []partition) error {
	table := &mbr.Table{LogicalSectorSize: sector, PhysicalSectorSize: sector}
	for i, p := range parts {
		if p.start%sector != 0 || p.size%sector != 0 || (p.start+p.size)/sector > 1<<32-1 {
			return fmt.Errorf("partition %d: %d bytes at %d do not fit an MBR", i+1, p.size, p.start)
		}
		table.Partitions = append(table.Partitions, &mbr.Partition{
			Type:  p.kind,
			Start: uint32(p.start / sector),
			Size:  uint32(p.size / sector),
			// Out of reach of cylinders, heads and sectors, as every tool writes it today.
			StartHead: 0xfe, StartSector: 0xff, StartCylinder: 0xff,
			EndHead: 0xfe, EndSector: 0xff, EndCylinder: 0xff,
		})
	}
	if err := table.Write(f, 0); err != nil {
		return err
	}
	// go-diskfs reads the disk signature but has no way to write it.
	_, err := f.WriteAt(binary.LittleEndian.AppendUint32(nil, signature), signatureOffset)
	return err
}
