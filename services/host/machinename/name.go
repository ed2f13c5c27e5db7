// Package machinename derives a device's name, such as metal-slope-23501, from a serial number. Names are those of the
// PlanktoScope project's program machine-name, whose word lists (Apache-2.0 or Blue Oak 1.0.0) it uses, so that printed
// labels stay right.
//
// Version 0.1.3 of that program replaced 13 words by shorter ones. Of the replacements only "cool" is known to this package,
// which has words of its own for the other twelve: asleep, distant, ideal, neat, polite and rich; advice, auction, expense,
// ocean, organ and suit. Names with one of these, which is one of 20, differ from those of machine-name 0.1.3.
package machinename

import (
	_ "embed"
	"fmt"
	"math/bits"
	"strings"
)

//go:embed first.txt
var first string

//go:embed second.txt
var second string

// Of returns the human-readable name for a machine's serial number: two words and a number, at most 24 bytes. Different
// serial numbers have different names.
func Of(serial uint32) string {
	adjectives, nouns := strings.Fields(first), strings.Fields(second)
	a, n := uint32(len(adjectives)), uint32(len(nouns))
	x := scatter(serial)
	return fmt.Sprintf("%s-%s-%d", adjectives[x%a], nouns[x/a%n], x/a/n)
}

// scatter permutes the bits of a number, so that consecutive serial numbers get different words: an outer perfect shuffle,
// which interleaves the upper and the lower half, and the reversal of all bits.
func scatter(x uint32) uint32 {
	for _, step := range []struct {
		mask  uint32
		shift int
	}{{0x0000ff00, 8}, {0x00f000f0, 4}, {0x0c0c0c0c, 2}, {0x22222222, 1}} {
		swap := (x ^ x>>step.shift) & step.mask
		x ^= swap ^ swap<<step.shift
	}
	return bits.Reverse32(x)
}
