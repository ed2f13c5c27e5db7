package fat

import (
	"strconv"
	"strings"
)

// shortName is a name of the form 8.3, in capital letters.
type shortName struct{ base, extension string }

// encode pads both parts with spaces.
func (s shortName) encode() (b [11]byte) {
	copy(b[:], "           ")
	copy(b[:8], s.base)
	copy(b[8:], s.extension)
	return b
}

func (s shortName) String() string { return strings.TrimSuffix(s.base+"."+s.extension, ".") }

// shorten returns the short name that is nearest to a name, and whether it differs from it in case only.
func shorten(name string) (s shortName, lossless bool) {
	lossless = true
	// Leading dots and all spaces are dropped, as Windows does.
	trimmed := strings.TrimLeft(strings.ReplaceAll(name, " ", ""), ".")
	base, extension := trimmed, ""
	if dot := strings.LastIndexByte(trimmed, '.'); dot >= 0 {
		base, extension = strings.ReplaceAll(trimmed[:dot], ".", ""), trimmed[dot+1:]
	}
	legal := func(part string, size int) string {
		part = strings.Map(func(r rune) rune {
			switch {
			case 'a' <= r && r <= 'z':
				return r - 'a' + 'A'
			case r > 0x7f || strings.ContainsRune(onlyLong, r):
				lossless = false
				return '_'
			}
			return r
		}, part)
		return part[:min(len(part), size)]
	}
	s = shortName{legal(base, 8), legal(extension, 3)}
	return s, lossless && strings.EqualFold(s.String(), name)
}

// shortNames gives the names of a directory unique short names.
type shortNames struct {
	used map[shortName]bool
	next map[shortName]int // number to try next, by base up to the number and extension
}

// number puts ~1, ~2, … at the end of the base.
func (n *shortNames) number(s shortName) shortName {
	for digits := 1; ; digits++ {
		stem := shortName{s.base[:min(len(s.base), 8-1-digits)], s.extension}
		for end := pow10(digits); n.next[stem] < end; n.next[stem]++ {
			if n.next[stem] < end/10 {
				n.next[stem] = end / 10
			}
			numbered := shortName{stem.base + "~" + strconv.Itoa(n.next[stem]), s.extension}
			if !n.used[numbered] {
				n.used[numbered] = true
				return numbered
			}
		}
	}
}

func pow10(n int) int {
	p := 1
	for range n {
		p *= 10
	}
	return p
}
