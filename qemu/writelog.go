package qemu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// A log of QEMU's driver blklogwrites has the format of Linux's dm-log-writes: a superblock and entries, each in a sector, and
// behind each entry of a write its data.
const (
	logMagic   = 0x6a736677736872
	logSector  = 512
	logSize    = 64 << 30 // of the sparse file
	flagFlush  = 1
	flagFUA    = 2
	flagNoData = 4 // discard
)

// logEntry is an entry of the log.
type logEntry struct{ Sector, Sectors, Flags, Length uint64 }

// lostWrites counts what a power cut did to the writes since the last flush.
type lostWrites struct{ kept, torn, lost int }

// replay applies the writes of a log to the card as it was before the boot: all up to the last flush, and of the later ones
// a random part, for each of which the card could have lost power before, during or after the write.
func replay(card io.WriterAt, log io.ReaderAt, random *rand.Rand) (lostWrites, error) {
	var stats lostWrites
	entries, err := readLog(log)
	if err != nil {
		return stats, err
	}
	synced := 0
	for i, e := range entries {
		if e.Flags&flagFlush != 0 {
			synced = i + 1
		}
	}
	for i, e := range entries {
		sectors := e.Sectors
		if i >= synced && e.Flags&(flagFUA|flagNoData) == 0 {
			switch random.IntN(3) {
			case 0:
				stats.lost++
				sectors = 0
			case 1:
				stats.torn++
				sectors = random.Uint64N(e.Sectors + 1)
			default:
				stats.kept++
			}
		}
		if e.Flags&flagNoData == 0 && sectors > 0 {
			from := io.NewSectionReader(log, e.offset, int64(sectors)*logSector)
			if _, err := io.Copy(io.NewOffsetWriter(card, int64(e.Sector)*logSector), from); err != nil {
				return stats, fmt.Errorf("replay write at sector %d: %w", e.Sector, err)
			}
		}
	}
	return stats, nil
}

// loggedWrite is an entry with the place of its data in the log.
type loggedWrite struct {
	logEntry
	offset int64
}

// readLog reads all entries. The log ends at the first entry that QEMU had not written when it was killed.
func readLog(log io.ReaderAt) ([]loggedWrite, error) {
	var super struct {
		Magic, Version, Entries uint64
		SectorSize              uint32
	}
	err := binary.Read(io.NewSectionReader(log, 0, logSector), binary.LittleEndian, &super)
	written := super.Magic != 0 // QEMU writes it with the first flush
	if err != nil || written && (super.Magic != logMagic || super.SectorSize != logSector) {
		return nil, errors.Join(errors.New("write log: no superblock of blklogwrites"), err)
	}
	var all []loggedWrite
	for at := int64(logSector); ; {
		e := loggedWrite{offset: at + logSector}
		err := binary.Read(io.NewSectionReader(log, at, logSector), binary.LittleEndian, &e.logEntry)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || err == nil && e.Sectors == 0 && e.Flags == 0 {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("write log: %w", err)
		}
		all = append(all, e)
		at = e.offset
		if e.Flags&flagNoData == 0 {
			at += int64(e.Sectors) * logSector
		}
	}
}

// newLog makes an empty log.
func newLog(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(logSize), f.Close())
}
