package debian

import (
	"bytes"
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"strings"
)

var (
	armorBegin = []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----")
	armorEnd   = []byte("-----END PGP PUBLIC KEY BLOCK-----")
)

// otherFiles are what people save in place of a signing key, by how the content begins.
var otherFiles = []struct {
	begins *regexp.Regexp
	is     string
}{
	{regexp.MustCompile(`(?i)^\s*<(!doctype|html|head|\?xml|!--)`), "is an HTML page, such as a server's error page; download the key again"},
	{regexp.MustCompile(`-----BEGIN (PGP )?[A-Z ]*PRIVATE KEY( BLOCK)?-----`), "is a private key; export the public key with gpg --export --armor"},
	{regexp.MustCompile(`-----BEGIN PGP (SIGNATURE|MESSAGE|SIGNED MESSAGE)-----`), "is a PGP signature or message, not a public key"},
	{regexp.MustCompile(`-----BEGIN CERTIFICATE-----`), "is an X.509 certificate, not an OpenPGP public key"},
	{regexp.MustCompile(`-----BEGIN PUBLIC KEY-----`), "is a public key in PEM, not in OpenPGP format"},
	{regexp.MustCompile(`^\s*(ssh|ecdsa|sk-ssh)-\S+ `), "is an SSH key, not an OpenPGP public key"},
	{regexp.MustCompile(`^\s*[{\[]`), "is JSON, not an OpenPGP public key"},
	{regexp.MustCompile(`(?s)^.{8}KBXf`), "is a keybox of GnuPG; export the key from it with gpg --export"},
}

// ParseKeys returns the OpenPGP public keys in a file, armored or not, in the form that apt reads: without byte order
// mark, carriage returns, and text around armor. For another file the error says what it is, as the predicate of a
// sentence about the file.
func ParseKeys(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if start := bytes.Index(data, armorBegin); start >= 0 {
		return parseArmor(data[start:])
	}
	for _, other := range otherFiles {
		if other.begins.Match(data[:min(len(data), 4<<10)]) {
			return nil, errors.New(other.is)
		}
	}
	begins := func(magic ...string) bool {
		return slices.ContainsFunc(magic, func(m string) bool { return bytes.HasPrefix(data, []byte(m)) })
	}
	switch {
	case begins("\x1f\x8b", "\xfd7zXZ", "\x28\xb5\x2f\xfd", "BZh", "PK\x03\x04"):
		return nil, errors.New("is compressed; unpack it")
	case begins("\xff\xfe", "\xfe\xff"):
		return nil, errors.New("is UTF-16; save it as UTF-8")
	case len(bytes.TrimSpace(data)) == 0:
		return nil, errors.New("is empty; download the key again")
	case !isPublicKey(data):
		return nil, errors.New("is not an OpenPGP public key")
	}
	return data, nil
}

// isPublicKey reports whether the first packet is a public key: RFC 9580, sections 4.2 and 5.
func isPublicKey(data []byte) bool {
	if len(data) == 0 {
		return false
	}
	const publicKey = 6
	newFormat, oldFormat := data[0]&0xc0 == 0xc0, data[0]&0xc0 == 0x80
	return newFormat && data[0]&0x3f == publicKey || oldFormat && data[0]>>2&0xf == publicKey
}

// parseArmor returns all armored blocks of a text that begins with one.
func parseArmor(data []byte) ([]byte, error) {
	end := bytes.LastIndex(data, armorEnd)
	if end < 0 {
		return nil, errors.New("is truncated: the line " + string(armorEnd) + " is missing; download the key again")
	}
	text := bytes.ReplaceAll(data[:end+len(armorEnd)], []byte("\r"), nil)
	text = append(text, '\n')
	for block := range bytes.SplitSeq(text, armorEnd) {
		_, body, found := bytes.Cut(block, armorBegin)
		if !found {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(armorBody(string(body)))
		if err != nil || !isPublicKey(key) {
			return nil, errors.New("is damaged; download the key again")
		}
	}
	return text, nil
}

// armorBody returns the Base64 lines of a block, without its headers and checksum.
func armorBody(block string) string {
	var out strings.Builder
	for line := range strings.Lines(block) {
		line = strings.TrimSpace(line)
		if !strings.Contains(line, ":") && !strings.HasPrefix(line, "=") {
			out.WriteString(line)
		}
	}
	return out.String()
}
