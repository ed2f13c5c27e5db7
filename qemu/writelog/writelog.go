// Package writelog reads the log that QEMU's driver blklogwrites keeps of a disk's writes, and applies a part of it to a
// copy of the disk, as a power cut leaves it. The format is that of Linux's dm-log-writes
// (Documentation/admin-guide/device-mapper/log-writes.rst): a superblock and entries, each in a sector, and behind each
// entry of a write its data. The package starts no programs.
package writelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// Constants of the format.
const (
	magic      = 0x6a736677736872
	sector     = 512
	maxSize    = 64 << 30 // of the sparse file
	flagFlush  = 1
	flagFUA    = 2
	flagNoData = 4 // discard
)

// header is an entry as it is in the log.
type header struct{ Sector, Sectors, Flags, Length uint64 }

// Entry is an entry of QEMU's log of disk writes: a write, a flush or a discard.
type Entry struct {
	header
	offset int64 // of the data in the log
}

// Flush reports whether the entry flushes the disk's write cache, so that earlier writes are durable.
func (e Entry) Flush() bool { return e.Flags&flagFlush != 0 }

// Stats counts the writes that a power cut kept, kept in part, and lost.
type Stats struct{ Kept, Torn, Lost int }

// Create creates an empty log of disk writes for QEMU, a sparse file of 64 GiB. An existing file is emptied.
func Create(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(maxSize), f.Close())
}

// Read reads all entries of a log of disk writes, up to the first one that QEMU has not written completely. It fails if the
// file is not such a log; a new log has no entries.
func Read(log io.ReaderAt) ([]Entry, error) {
	var super struct {
		Magic, Version, Entries uint64
		SectorSize              uint32
	}
	err := binary.Read(io.NewSectionReader(log, 0, sector), binary.LittleEndian, &super)
	written := super.Magic != 0 // QEMU writes it with the first flush
	if err != nil || written && (super.Magic != magic || super.SectorSize != sector) {
		return nil, errors.Join(errors.New("read QEMU's log of writes: it has no superblock of the driver blklogwrites"), err)
	}
	var all []Entry
	for at := int64(sector); ; {
		e := Entry{offset: at + sector}
		err := binary.Read(io.NewSectionReader(log, at, sector), binary.LittleEndian, &e.header)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || err == nil && e.Sectors == 0 && e.Flags == 0 {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read QEMU's log of writes: %w", err)
		}
		all = append(all, e)
		at = e.offset
		if e.Flags&flagNoData == 0 {
			at += int64(e.Sectors) * sector
		}
	}
}

// Synced returns how many of the first entries are safe from a power cut after the last one: those up to and including the
// last flush.
func Synced(entries []Entry) int {
	for i := len(entries); i > 0; i-- {
		if entries[i-1].Flush() {
			return i
		}
	}
	return 0
}

// Apply writes the data of log entries to the disk. Entries without data, such as flushes and discards, change nothing.
func Apply(disk io.WriterAt, log io.ReaderAt, entries []Entry) error {
	for _, e := range entries {
		if err := e.apply(disk, log, e.Sectors); err != nil {
			return err
		}
	}
	return nil
}

// ApplySome writes the log entries since the last flush to the disk as a power cut may leave them: of each write all,
// nothing or its first sectors, at random. Writes with FUA, and flushes, are never lost.
func ApplySome(disk io.WriterAt, log io.ReaderAt, entries []Entry, random *rand.Rand) (Stats, error) {
	var stats Stats
	for _, e := range entries {
		sectors := e.Sectors
		if e.Flags&(flagFUA|flagNoData|flagFlush) == 0 {
			switch random.IntN(3) {
			case 0:
				stats.Lost++
				sectors = 0
			case 1:
				stats.Torn++
				sectors = random.Uint64N(e.Sectors + 1)
			default:
				stats.Kept++
			}
		}
		if err := e.apply(disk, log, sectors); err != nil {
			return stats, err
		}
	}
	return stats, nil
}

// Cut changes a copy of the disk from before the log to what a power cut after the log's last entry leaves: all writes up to
// the last flush, and those after it as ApplySome leaves them.
func Cut(disk io.WriterAt, log io.ReaderAt, random *rand.Rand) (Stats, error) {
	entries, err := Read(log)
	if err != nil {
		return Stats{}, err
	}
	synced := Synced(entries)
	if err := Apply(disk, log, entries[:synced]); err != nil {
		return Stats{}, err
	}
	return ApplySome(disk, log, entries[synced:], random)
}

// apply writes the first sectors of an entry's data.
func (e Entry) apply(disk io.WriterAt, log io.ReaderAt, sectors uint64) error {
	if e.Flags&flagNoData != 0 || sectors == 0 {
		return nil
	}
	from := io.NewSectionReader(log, e.offset, int64(sectors)*sector)
	if _, err := io.Copy(io.NewOffsetWriter(disk, int64(e.Sector)*sector), from); err != nil {
		return fmt.Errorf("replay write at sector %d: %w", e.Sector, err)
	}
	return nil
}
