package pallet

import (
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// utf8Text returns text in UTF-8 without a byte order mark. As in YAML, a byte order mark selects UTF-8, UTF-16LE or
// UTF-16BE; text without one is returned as it is.
func utf8Text(data []byte) ([]byte, error) {
	text, _, err := transform.Bytes(unicode.BOMOverride(encoding.Nop.NewDecoder()), data)
	return text, err
}
