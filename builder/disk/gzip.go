package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// gzipFormat makes the parts one member of a gzip file, since not every program reads several. Each part ends with an
// empty block, which brings it to the end of a byte, and refers to no earlier part.
// https://www.rfc-editor.org/rfc/rfc1952
type gzipFormat struct {
	started bool
	crc     uint32
	size    uint32 // modulo 2^32
}

// gzipHeader has no name and no time, and says nothing of the operating system.
const gzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// lastBlock is an empty deflate block, marked as the last.
const lastBlock = "\x03\x00"

func (*gzipFormat) encode(part []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	if _, err := w.Write(part); err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	if err := w.Flush(); err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return b.Bytes(), nil
}

func (g *gzipFormat) add(w io.Writer, part, encoded []byte) error {
	if !g.started {
		g.started = true
		if _, err := io.WriteString(w, gzipHeader); err != nil {
			return err
		}
	}
	g.crc = crc32.Update(g.crc, crc32.IEEETable, part)
	g.size += uint32(len(part))
	_, err := w.Write(encoded)
	return err
}

func (g *gzipFormat) end(w io.Writer) error {
	out := binary.LittleEndian.AppendUint32([]byte(lastBlock), g.crc)
	_, err := w.Write(binary.LittleEndian.AppendUint32(out, g.size))
	return err
}
