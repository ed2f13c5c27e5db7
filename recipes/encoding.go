package recipes

import (
	"bytes"
	"unicode/utf8"
)

// encodingMistake returns the first byte that is not UTF-8 text, with its position.
func encodingMistake(src []byte) (line, column int, mistake string) {
	switch {
	case len(src) > maxBytes:
		return 1, 1, "the file is larger than 256KiB; move long texts to files of their own and name them as source"
	case bytes.HasPrefix(src, []byte("\xef\xbb\xbf")):
		return 1, 1, "the file begins with a byte order mark; save it as UTF-8 without one"
	case bytes.HasPrefix(src, []byte("\xff\xfe")), bytes.HasPrefix(src, []byte("\xfe\xff")):
		return 1, 1, "the file is UTF-16; save it as UTF-8"
	}
	line, column = 1, 1
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		switch {
		case r == utf8.RuneError && size == 1:
			return line, column, "byte is not UTF-8; save the file as UTF-8"
		case r == 0:
			return line, column, "file contains a NUL byte; remove it"
		case r == '\n':
			line, column = line+1, 0
		}
		src, column = src[size:], column+1
	}
	return 0, 0, ""
}
