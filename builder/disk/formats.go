package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// zstdFormat makes each part a frame: zstd reads concatenated frames as one file.
type zstdFormat struct{ encoder *zstd.Encoder }

func newZstd() format {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(partSize))
	if err != nil {
		panic(err) // contradictory options
	}
	return zstdFormat{e}
}

func (z zstdFormat) encode(part []byte) ([]byte, error) { return z.encoder.EncodeAll(part, nil), nil }
func (zstdFormat) end(io.Writer) error                  { return nil }

func (zstdFormat) add(w io.Writer, _, encoded []byte) error {
	_, err := w.Write(encoded)
	return err
}

// xzFormat makes each part a block of one stream. The library writes whole streams, so each part is first a stream, of
// which the block and its index record are used.
// https://tukaani.org/xz/xz-file-format.txt
type xzFormat struct {
	header  []byte // of the stream; nil: not yet written
	records []byte // of the index
	count   uint64
}

const (
	xzHeader = 12 // size of the header, and of the footer
	xzDict   = partSize
)

func (*xzFormat) encode(part []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := xz.WriterConfig{DictCap: xzDict}.NewWriter(&b)
	if err != nil {
		return nil, fmt.Errorf("xz: %w", err)
	}
	if _, err := w.Write(part); err != nil {
		return nil, fmt.Errorf("xz: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("xz: %w", err)
	}
	return b.Bytes(), nil
}

// add writes the only block of a stream.
func (x *xzFormat) add(w io.Writer, _, stream []byte) error {
	if x.header == nil {
		x.header = stream[:xzHeader]
		if _, err := w.Write(x.header); err != nil {
			return err
		}
	}
	indexSize := 4 * (int(binary.LittleEndian.Uint32(stream[len(stream)-8:])) + 1)
	index := stream[len(stream)-xzHeader-indexSize:][:indexSize]
	if index[0] != 0 || index[1] != 1 {
		return errors.New("compress with xz: stream of a part has several blocks")
	}
	_, first := binary.Uvarint(index[2:])
	_, second := binary.Uvarint(index[2+first:])
	x.records = append(x.records, index[2:2+first+second]...)
	x.count++
	_, err := w.Write(stream[xzHeader : len(stream)-xzHeader-indexSize])
	return err
}

// end writes the index and the footer.
func (x *xzFormat) end(w io.Writer) error {
	index := append(binary.AppendUvarint([]byte{0}, x.count), x.records...)
	index = append(index, make([]byte, -len(index)&3)...)
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, x.header[6:8]...) // the flags
	out := binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(footer))
	_, err := w.Write(append(append(out, footer...), "YZ"...))
	return err
}
