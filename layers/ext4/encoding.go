package ext4

import "encoding/binary"

var le = binary.LittleEndian

// encode appends an on-disk structure.
func encode(b []byte, v any) []byte {
	b, err := binary.Append(b, le, v)
	if err != nil {
		panic(err) // the type has no fixed size: a bug in this package
	}
	return b
}

// decode returns the on-disk structure that b begins with. The caller checks that b is long enough.
func decode[T any](b []byte) (v T) {
	if _, err := binary.Decode(b, le, &v); err != nil {
		panic(err) // b is too short: a bug in this package
	}
	return v
}

func lo16(v uint32) uint16 { return uint16(v) }
func hi16(v uint32) uint16 { return uint16(v >> 16) }
func lo32(v uint64) uint32 { return uint32(v) }
func hi32(v uint64) uint32 { return uint32(v >> 32) }

// join joins the two halves of a field, of which the upper one has 8, 16 or 32 bits.
func join[H uint8 | uint16 | uint32](lo uint32, hi H) uint64 { return uint64(lo) | uint64(hi)<<32 }

// join32 joins the two halves of a field of 32 bits.
func join32(lo, hi uint16) uint32 { return uint32(lo) | uint32(hi)<<16 }

// ceil returns n divided by d, rounded up.
func ceil[T int | int64 | uint32 | uint64](n, d T) T { return (n + d - 1) / d }
