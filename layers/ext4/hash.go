package ext4

import (
	"math/bits"
)

// hashEOF stands for the end of a directory, so that no name may have this hash.
const hashEOF = 0x7fffffff << 1

// halfMD4 returns the hash of a name in an htree: MD4 with its three rounds halved, over 32 bytes at a time. The lowest
// bit is always zero.
func halfMD4(name string, seed [16]byte) uint32 {
	var state [4]uint32
	for i := range state {
		state[i] = le.Uint32(seed[4*i:])
	}
	for rest := name; ; rest = rest[32:] {
		state = halfMD4Round(state, hashWords(rest))
		if len(rest) <= 32 {
			break
		}
	}
	hash := state[1] &^ 1
	if hash == hashEOF {
		hash -= 2
	}
	return hash
}

// hashWords returns the first 32 bytes of a name as eight big-endian words, padded with its length.
func hashWords(name string) (words [8]uint32) {
	pad := uint32(len(name)) & 0xff * 0x01010101
	for i := range words {
		words[i] = pad
		for j := 4 * i; j < min(4*i+4, len(name)); j++ {
			words[i] = words[i]<<8 + uint32(name[j])
		}
	}
	return words
}

// halfMD4Words is the order in which each round takes the words.
var halfMD4Words = [3][8]int{{0, 1, 2, 3, 4, 5, 6, 7}, {1, 3, 5, 7, 0, 2, 4, 6}, {3, 7, 2, 6, 1, 5, 0, 4}}

var halfMD4Shifts = [3][4]int{{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}}

var halfMD4Constants = [3]uint32{0, 0x5a827999, 0x6ed9eba1}

func halfMD4Round(state [4]uint32, words [8]uint32) [4]uint32 {
	a, b, c, d := state[0], state[1], state[2], state[3]
	for round := range 3 {
		for i, w := range halfMD4Words[round] {
			a += mix(round, b, c, d) + words[w] + halfMD4Constants[round]
			a = bits.RotateLeft32(a, halfMD4Shifts[round][i%4])
			a, b, c, d = d, a, b, c
		}
	}
	return [4]uint32{state[0] + a, state[1] + b, state[2] + c, state[3] + d}
}

func mix(round int, x, y, z uint32) uint32 {
	switch round {
	case 0:
		return z ^ x&(y^z)
	case 1:
		return x&y + (x^y)&z
	}
	return x ^ y ^ z
}
