package tree_test

import (
	"bytes"
	"fmt"
	"strings"
)

// archive is a tar that is written by hand, since no library writes one that lies.
type archive struct{ bytes.Buffer }

// header appends a header whose fields of numbers are as given; those that are not hold zeroes.
func (a *archive) header(kind byte, name, link, size string) *archive {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], size)
	copy(b[136:], "00000000000\x00        ")
	b[156] = kind
	copy(b[157:], link)
	copy(b[257:], "ustar\x0000")
	return a.sealed(b)
}

// sealed appends a header with its checksum.
func (a *archive) sealed(b []byte) *archive {
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	a.Write(b)
	return a
}

// content appends content with its padding.
func (a *archive) content(text string) *archive {
	a.WriteString(text)
	a.Write(make([]byte, -len(text)&511))
	return a
}

func octal(n int) string { return fmt.Sprintf("%011o\x00", n) }

func (a *archive) file(name, text string) *archive {
	return a.header('0', name, "", octal(len(text))).content(text)
}
func (a *archive) dir(name string) *archive          { return a.header('5', name, "", octal(0)) }
func (a *archive) symlink(name, to string) *archive  { return a.header('2', name, to, octal(0)) }
func (a *archive) hardlink(name, to string) *archive { return a.header('1', name, to, octal(0)) }
func (a *archive) end() []byte                       { return append(bytes.Clone(a.Bytes()), make([]byte, 1024)...) }
func (a *archive) pax(kind byte, records ...string) *archive {
	text := ""
	for i := 0; i < len(records); i += 2 {
		text += record(records[i], records[i+1])
	}
	return a.header(kind, "PaxHeaders/x", "", octal(len(text))).content(text)
}

// record is a PAX record, whose length counts itself.
func record(key, value string) string {
	for n := len(key) + len(value) + 4; ; n++ {
		if r := fmt.Sprintf("%d %s=%s\n", n, key, value); len(r) == n {
			return r
		}
	}
}

// oldSparse is an entry of GNU tar's old sparse format.
func (a *archive) oldSparse(name string, size int, places [][2]int, stored string) *archive {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00"+octal(len(stored))+"00000000000\x00        S")
	copy(b[257:], "ustar  \x00")
	for i, p := range places {
		copy(b[386+24*i:], octal(p[0])+octal(p[1]))
	}
	copy(b[483:], octal(size))
	return a.sealed(b).content(stored)
}

func tape() *archive { return &archive{} }

func long(n int) string { return strings.Repeat("n", n) }
