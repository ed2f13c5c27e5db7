package disk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash"
	"strings"
)

// blockSize is the unit in which the disk is written and mapped.
const blockSize = 4096

// span is the range of bytes from start up to end, which is not part of it.
type span struct{ start, end int64 }

// blockMap is a sink that collects the mapped ranges of the disk, with a SHA-256 for each.
type blockMap struct {
	ranges []mapped
	hash   hash.Hash // of the last range
	size   int64     // of the disk
}

type mapped struct {
	span
	sum []byte
}

// WriteAt implements io.WriterAt.
func (m *blockMap) WriteAt(b []byte, offset int64) (int, error) {
	if offset%blockSize != 0 || len(b)%blockSize != 0 {
		return 0, fmt.Errorf("block map: a write of %d bytes at offset %d is not in whole blocks", len(b), offset)
	}
	if n := len(m.ranges); n == 0 || m.ranges[n-1].end != offset {
		m.seal()
		m.ranges = append(m.ranges, mapped{span: span{offset, offset}})
		m.hash = sha256.New()
	}
	m.ranges[len(m.ranges)-1].end += int64(len(b))
	return m.hash.Write(b)
}

// seal stores the SHA-256 of the last range.
func (m *blockMap) seal() {
	if n := len(m.ranges); n > 0 {
		m.ranges[n-1].sum = m.hash.Sum(nil)
	}
}

func (m *blockMap) finish(size int64) error {
	m.seal()
	m.size = size
	return nil
}

// bytes returns the number of mapped bytes.
func (m *blockMap) bytes() int64 {
	n := int64(0)
	for _, r := range m.ranges {
		n += r.end - r.start
	}
	return n
}

// bmapFile is the block map file, version 2.0. Ranges include their last block.
type bmapFile struct {
	XMLName           xml.Name    `xml:"bmap"`
	Version           string      `xml:"version,attr"`
	Comment           xml.Comment `xml:",comment"`
	ImageSize         int64
	BlockSize         int64
	BlocksCount       int64
	MappedBlocksCount int64
	ChecksumType      string
	BmapFileChecksum  string
	Ranges            []bmapRange `xml:"BlockMap>Range"`
}

type bmapRange struct {
	Checksum string `xml:"chksum,attr"`
	Blocks   string `xml:",chardata"`
}

// encode returns the block map file. It contains its own SHA-256, computed with zeroes in place of the digits.
func (m *blockMap) encode() ([]byte, error) {
	noSum := strings.Repeat("0", 2*sha256.Size)
	f := bmapFile{
		Version:           "2.0",
		Comment:           xml.Comment(" Blocks of the image with data. Write and verify them with: bmaptool copy IMAGE DEVICE "),
		ImageSize:         m.size,
		BlockSize:         blockSize,
		BlocksCount:       roundUp(m.size, blockSize) / blockSize,
		MappedBlocksCount: m.bytes() / blockSize,
		ChecksumType:      "sha256",
		BmapFileChecksum:  noSum,
	}
	for _, r := range m.ranges {
		first, last := r.start/blockSize, r.end/blockSize-1
		blocks := fmt.Sprintf("%d-%d", first, last)
		if first == last {
			blocks = fmt.Sprint(first)
		}
		f.Ranges = append(f.Ranges, bmapRange{hex.EncodeToString(r.sum), blocks})
	}
	body, err := xml.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode block map: %w", err)
	}
	out := append([]byte(xml.Header), append(body, '\n')...)
	own := sha256.Sum256(out)
	return bytes.Replace(out, []byte(noSum), []byte(hex.EncodeToString(own[:])), 1), nil
}
