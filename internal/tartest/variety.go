package tartest

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// Variety returns two image layers for tests: lower with every kind of entry that a tar archive can have, and upper
// with every kind of change to them. Lower also has the program Hello as /bin/hello, and the entries in more.
func Variety(more ...Entry) (lower, upper []byte, err error) {
	lower, err = Of(append(varietyLower(), more...)...)
	upper, errUpper := Of(
		File(".wh.gone", "").With(owned(7, 8)), File(".wh.gone-file", ""), File(".wh.never-was", ""),
		Dir("opaque"), File("opaque/.wh..wh..opq", ""), File("opaque/new", "n"), File("opaque-implied/.wh..wh..opq", ""),
		Dir("usr"), Dir("usr/sbin"), File("usr/sbin/.wh.setuid", ""),
		Link("hard-within", "opaque/new"), File("dir-xattrs", "a file where there was a directory"),
	)
	return lower, upper, errors.Join(err, errUpper)
}

func varietyLower() []Entry {
	const capability = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" // cap_net_bind_service=ep
	return []Entry{
		Dir(".").With(owned(5, 6)).With(mode(0o700)),
		Dir("bin"), File("bin/hello", Hello()).With(mode(0o755)), Symlink("bin/sh", "hello"), Symlink("sbin", "/usr/sbin"),
		File("implied/by/this", "x").With(owned(1000, 100000)),
		Dir("tmp").With(mode(0o1777)), Dir("usr"), Dir("usr/sbin"), File("usr/sbin/setuid", "s").With(mode(0o6755)),
		File("usr/sbin/capable", "c").With(xattrs("security.capability", capability)),
		File("xattrs", "").With(xattrs("user.a", "b", "trusted.c", "d\x00e")),
		Dir("dir-xattrs").With(xattrs("user.dir", "yes")),
		Symlink("link-xattrs", "nowhere").With(xattrs("user.refused", "x", "trusted.taken", "y")),
		Link("bin/hard", "bin/hello").With(mode(0o755)), Link("hard-symlink", "bin/sh"),
		Device(tar.TypeChar, "dev/null", 1, 3), Device(tar.TypeBlock, "dev/loop7", 7, 7), Device(tar.TypeFifo, "dev/fifo", 0, 0),
		Device(tar.TypeChar, "whiteout-by-hand", 0, 0),
		File("old", "").With(at(time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC))), Symlink("old-link", "x").With(at(time.Unix(-5, 0))),
		File("future", "").With(at(time.Date(2200, 1, 2, 3, 4, 5, 6000, time.UTC))),
		File("large", strings.Repeat("0123456789abcdef", 1<<16)),
		File(strings.Repeat("long-name-", 25), "long"), File("space and \n and \xff", "odd"),
		Dir("gone"), File("gone/a", "a"), File("gone-file", "b"),
		Dir("opaque"), File("opaque/hidden", "h"), File("opaque-implied/hidden", "h"),
	}
}

// Foreign returns a tar entry for a file with an extended attribute in a namespace that Linux does not have. Docker
// before version 25 drops the attribute; later versions reject the layer.
func Foreign() Entry { return File("xattrs-foreign", "").With(xattrs("user.a", "b", "foo.bar", "c")) }

// Changes of a header, for With.
func owned(uid, gid int) func(*tar.Header) { return func(h *tar.Header) { h.Uid, h.Gid = uid, gid } }
func mode(m int64) func(*tar.Header)       { return func(h *tar.Header) { h.Mode = m } }
func at(when time.Time) func(*tar.Header)  { return func(h *tar.Header) { h.ModTime = when } }
func xattrs(pairs ...string) func(*tar.Header) {
	return func(h *tar.Header) {
		h.PAXRecords = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			h.PAXRecords["SCHILY.xattr."+pairs[i]] = pairs[i+1]
		}
	}
}

// Hello returns a static program for arm64 that prints "hello".
func Hello() string {
	const at, greeting = 0x400000, "hello\n"
	code := []uint32{
		0xd2800020, 0x100000e1, 0xd2800002 | uint32(len(greeting))<<5, 0xd2800808, 0xd4000001, // write(1, greeting, len)
		0xd2800000, 0xd2800ba8, 0xd4000001, // exit(0)
	}
	size := uint64(64 + 56 + 4*len(code) + len(greeting))
	var out bytes.Buffer
	for _, part := range []any{
		[]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		[]uint16{2, 183}, uint32(1), []uint64{at + 64 + 56, 64, 0}, uint32(0), []uint16{64, 56, 1, 0, 0, 0},
		[]uint32{1, 5}, []uint64{0, at, at, size, size, 0x1000}, code, []byte(greeting),
	} {
		_ = binary.Write(&out, binary.LittleEndian, part) // to memory
	}
	return out.String()
}
