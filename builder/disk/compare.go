package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Written is a laid-out disk together with the uncompressed image file that was written from it.
type Written struct {
	*Disk
	Image string // name of the file
}

// Difference is the first difference between two images: in their trees, in the order of the paths, or else in their
// bytes.
type Difference struct {
	Partition string `json:"partition"`        // "partition table", or the name of a partition such as "boot"
	Path      string `json:"path,omitempty"`   // of the file, in the booted system
	Field     string `json:"field"`            // such as "mode", "content" or a field of the superblock
	Offset    int64  `json:"offset"`           // in bytes, in the content of the file or in the image; -1: none
	First     string `json:"first,omitempty"`  // the two values
	Second    string `json:"second,omitempty"` //
}

func (d Difference) String() string {
	s := d.Partition + ": "
	if d.Partition != tableName {
		s = d.Partition + " partition: "
	}
	if d.Path != "" {
		s += d.Path + ": "
	}
	s += d.Field
	if d.Offset >= 0 {
		s += fmt.Sprintf(" at byte %d", d.Offset)
	}
	return s + fmt.Sprintf(": %s, then %s", d.First, d.Second)
}

// tableName is the name of the partition table in a Difference.
const tableName = "partition table"

// Compare compares two disks and their image files, file system by file system, and returns the first difference, or
// nil if they are identical.
func Compare(ctx context.Context, a, b Written) (*Difference, error) {
	at, first, second, err := compareFiles(ctx, a.Image, b.Image)
	if err != nil || at < 0 {
		return nil, err
	}
	for i, p := range a.parts {
		if i >= len(b.parts) {
			break
		}
		d, err := compareTrees(ctx, p.fs.Tree(), b.parts[i].fs.Tree(), p.Format == FAT32)
		if err != nil {
			return nil, err
		}
		if d != nil {
			d.Partition, d.Path = p.Name(), p.path(d.Path)
			return d, nil
		}
	}
	d := a.locate(at)
	d.Offset, d.First, d.Second = at, first, second
	return d, nil
}

// compareFiles returns the offset of the first byte that differs, and both values; the offset is -1 if none does.
func compareFiles(ctx context.Context, first, second string) (at int64, x, y string, err error) {
	f, err := os.Open(first)
	if err != nil {
		return 0, "", "", err
	}
	defer f.Close()
	g, err := os.Open(second)
	if err != nil {
		return 0, "", "", err
	}
	defer g.Close()
	return compareReaders(ctx, f, g)
}

func compareReaders(ctx context.Context, f, g io.Reader) (at int64, x, y string, err error) {
	a, b := make([]byte, pieceSize), make([]byte, pieceSize)
	for {
		if err := ctx.Err(); err != nil {
			return 0, "", "", err
		}
		n, err := io.ReadFull(f, a)
		m, err2 := io.ReadFull(g, b)
		for _, err := range []error{err, err2} {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return 0, "", "", err
			}
		}
		if !bytes.Equal(a[:n], b[:m]) {
			i := 0
			for i < min(n, m) && a[i] == b[i] {
				i++
			}
			return at + int64(i), byteAt(a[:n], i), byteAt(b[:m], i), nil
		}
		if err != nil || err2 != nil {
			return -1, "", "", nil
		}
		at += int64(n)
	}
}

func byteAt(b []byte, i int) string {
	if i == len(b) {
		return "end"
	}
	return fmt.Sprintf("%#02x", b[i])
}

// locate describes the structure at an offset of the image.
func (w Written) locate(at int64) *Difference {
	for _, p := range w.parts {
		if at < p.start || at >= p.end() {
			continue
		}
		path, field := p.fs.Locate(at - p.start)
		if path != "" {
			path = p.path(path)
		}
		return &Difference{Partition: p.Name(), Path: path, Field: field}
	}
	return &Difference{Partition: tableName, Field: tableField(at)}
}

// tableField returns the part of the MBR at an offset.
func tableField(at int64) string {
	switch {
	case at < signatureOffset:
		return "boot code"
	case at < signatureOffset+4:
		return "disk signature"
	case at >= entriesOffset && at < sector-2:
		return fmt.Sprintf("entry of partition %d", (at-entriesOffset)/entrySize+1)
	case at >= sector:
		return "gap between partitions"
	}
	return "end of the sector"
}
