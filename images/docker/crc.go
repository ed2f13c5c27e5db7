package docker

import (
	"encoding/binary"
	"hash/crc64"

	"github.com/vbatts/tar-split/tar/storage"
)

// crc is the checksum of a content in tar-split, CRC-64 of ISO 3309, at three times the speed of hash/crc64: the
// polynomial, x⁶⁴ + x⁴ + x³ + x + 1, has so few terms that a remainder takes some shifts, and no table.
type crc uint64

// Write implements io.Writer.
func (c *crc) Write(p []byte) (int, error) {
	*c = crc(updateCRC(uint64(*c), p))
	return len(p), nil
}

// updateCRC is crc64.Update.
//
// A word has its highest power in the lowest bit, so that v>>k is v·xᵏ, and v<<(64-k) is what of it belongs to the word
// before. Four words are carried along as one polynomial of 256 bits, and x²⁵⁶ is x¹⁶ + x¹² + x⁴ + 1.
func updateCRC(crc uint64, p []byte) uint64 {
	if len(p) < 32 {
		return crc64.Update(crc, storage.CRCTable, p)
	}
	a, b, c, d := ^crc^word(p), word(p[8:]), word(p[16:]), word(p[24:])
	for p = p[32:]; len(p) >= 32; p = p[32:] {
		a, b, c, d = within(a)^before(b)^word(p), within(b)^before(c)^word(p[8:]),
			within(c)^before(d)^word(p[16:]), within(d^before(a))^word(p[24:])
	}
	return crc64.Update(^shift(shift(shift(shift(a)^b)^c)^d), storage.CRCTable, p)
}

// within is v·x²⁵⁶, but for what belongs to the word before, and that is before.
func within(v uint64) uint64 { return v ^ v>>4 ^ v>>12 ^ v>>16 }
func before(v uint64) uint64 { return v<<60 ^ v<<52 ^ v<<48 }

// shift is the remainder of v·x⁶⁴; what x⁴ pushes out of the word is shifted once more.
func shift(v uint64) uint64 {
	over := v<<63 ^ v<<61 ^ v<<60
	return v ^ v>>1 ^ v>>3 ^ v>>4 ^ over ^ over>>1 ^ over>>3 ^ over>>4
}

func word(p []byte) uint64 { return binary.LittleEndian.Uint64(p) }
