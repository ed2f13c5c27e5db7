package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Written is a disk and the image that was made of it, not compressed.
type Written struct {
	*Disk
	Image string // name of the file
}

// Difference is where two images differ first: in their trees, in the order of the names, else in what was made of
// them.
type Difference struct {
	Partition string `json:"partition"`        // "partition table", "boot" or "root"
	Path      string `json:"path,omitempty"`   // of the file, in the booted system
	Field     string `json:"field"`            // such as "mode", "content" or a field of the superblock
	Offset    int64  `json:"offset"`           // in the content, or else in the image, in bytes; -1: none
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

// Compare finds the first difference between two images; nil if there is none.
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

// compareFiles finds the first byte that differs, and its values; -1 if there is none.
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
		return "the end"
	}
	return fmt.Sprintf("%#02x", b[i])
}

// locate returns what lies at a byte of the image.
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

// tableField names the part of the MBR that a byte belongs to.
func tableField(at int64) string {
	switch {
	case at < signatureOffset:
		return "boot code"
	case at < signatureOffset+4:
		return "disk signature"
	case at >= entriesOffset && at < sector-2:
		return fmt.Sprintf("entry of partition %d", (at-entriesOffset)/entrySize+1)
	case at >= sector:
		return "gap behind it"
	}
	return "end of the sector"
}
