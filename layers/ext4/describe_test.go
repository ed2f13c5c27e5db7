package ext4

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// described is everything known of an entry, from a tree, the kernel or debugfs.
type described struct {
	Type         string
	Mode         uint32
	UID, GID     uint32
	ModTime      time.Time
	Size         int64
	Digest       string // of a regular file's content
	Target       string
	Major, Minor uint32
	FirstName    string // of the hard links, in the order of Walk
	Links        uint32
	Xattrs       map[string]string
	Flags        string // as lsattr prints them: i and a
}

func describeFlags(immutable, appendOnly bool) (flags string) {
	if immutable {
		flags += "i"
	}
	if appendOnly {
		flags += "a"
	}
	return flags
}

// listing is a described tree by path, without the lost+found that the writer adds.
type listing map[string]described

func describeTree(t *testing.T, files *tree.Tree) listing {
	t.Helper()
	first := map[*tree.Node]string{}
	links := map[*tree.Node]uint32{}
	list := listing{}
	for name, n := range files.Walk() {
		links[n] += 1
		if first[n] == "" {
			first[n] = name
		}
		d := described{
			Type: n.Type.String(), Mode: n.Mode, UID: n.UID, GID: n.GID, ModTime: n.ModTime.UTC(), FirstName: first[n],
			Target: n.Target, Major: n.Major, Minor: n.Minor, Xattrs: map[string]string{},
			Flags: describeFlags(n.Immutable, n.AppendOnly),
		}
		if n.ModTime.IsZero() {
			d.ModTime = testOptions.Now.UTC()
		}
		for name, value := range n.Xattrs {
			d.Xattrs[name] = describeXattr(name, value)
		}
		if n.Type == tree.Regular {
			d.Size, d.Digest = n.Content.Size, digestContent(t, n.Content)
		}
		list[name] = d
	}
	for name, d := range list {
		n := files.Get(name)
		d.Links = links[n]
		if n.Type == tree.Directory {
			d.Links = directoryLinks(n, files)
		}
		list[name] = d
	}
	return list
}

func directoryLinks(n *tree.Node, files *tree.Tree) uint32 {
	links := uint32(2)
	for _, child := range n.Children() {
		if child.Type == tree.Directory {
			links++
		}
	}
	if n == files.Root && files.Get(lostFound) == nil {
		links++
	}
	if links > maxLinks {
		return 1
	}
	return links
}

// digest returns a digest over all blocks that are not zero and their offsets, so that holes do not matter.
func digest(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	digestBlocks(t, h, r, 0)
	return hex.EncodeToString(h.Sum(nil))
}

func digestBlocks(t *testing.T, h hash.Hash, r io.Reader, at int64) {
	t.Helper()
	b := make([]byte, 4*blockSize)
	var zero [blockSize]byte
	for {
		n, err := io.ReadFull(r, b)
		for block := b[:n]; len(block) > 0; {
			size := min(len(block), blockSize)
			if !bytes.Equal(block[:size], zero[:size]) {
				h.Write(binary.BigEndian.AppendUint64(nil, uint64(at)))
				h.Write(block[:size])
			}
			at += int64(size)
			block = block[size:]
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return
		}
		require.NoError(t, err)
	}
}

// digestContent returns the digest of a content without reading its holes.
func digestContent(t *testing.T, c tree.Content) string {
	t.Helper()
	f, isFile := c.ReaderAt.(*os.File)
	if !isFile || c.Offset != 0 {
		return digest(t, c.Reader())
	}
	h := sha256.New()
	for at := int64(0); at < c.Size; {
		start, err := f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		require.NoError(t, err)
		end, err := f.Seek(start, unix.SEEK_HOLE)
		require.NoError(t, err)
		start -= start % blockSize
		at = min(end+(-end&(blockSize-1)), c.Size)
		digestBlocks(t, h, io.NewSectionReader(f, start, at-start), start)
	}
	return hex.EncodeToString(h.Sum(nil))
}

var statTypes = map[uint32]tree.Type{
	unix.S_IFDIR: tree.Directory, unix.S_IFREG: tree.Regular, unix.S_IFLNK: tree.Symlink,
	unix.S_IFCHR: tree.Char, unix.S_IFBLK: tree.Block, unix.S_IFIFO: tree.Fifo, unix.S_IFSOCK: tree.Socket,
}

// describeDir returns the listing of a directory.
func describeDir(t *testing.T, root string, withLostFound bool) listing {
	t.Helper()
	first := map[uint64]string{}
	list := listing{}
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		require.NoError(t, err)
		name := strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
		if name == lostFound && !withLostFound {
			return nil
		}
		var st unix.Stat_t
		require.NoError(t, unix.Lstat(path, &st))
		var stx unix.Statx_t
		require.NoError(t, unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &stx))
		if _, seen := first[st.Ino]; !seen {
			first[st.Ino] = name
		}
		d := described{
			Type: statTypes[st.Mode&unix.S_IFMT].String(), Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid,
			ModTime: time.Unix(st.Mtim.Unix()).UTC(), FirstName: first[st.Ino], Links: uint32(st.Nlink),
			Xattrs: readXattrs(t, path),
			Flags:  describeFlags(stx.Attributes&unix.STATX_ATTR_IMMUTABLE != 0, stx.Attributes&unix.STATX_ATTR_APPEND != 0),
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			f, err := os.Open(path)
			require.NoError(t, err)
			defer f.Close()
			d.Size, d.Digest = st.Size, digestContent(t, tree.Content{ReaderAt: f, Size: st.Size})
		case unix.S_IFLNK:
			d.Target, err = os.Readlink(path)
			require.NoError(t, err)
		case unix.S_IFCHR, unix.S_IFBLK:
			d.Major, d.Minor = unix.Major(st.Rdev), unix.Minor(st.Rdev)
		}
		list[name] = d
		return nil
	})
	require.NoError(t, err)
	return list
}

func readXattrs(t *testing.T, path string) map[string]string {
	t.Helper()
	xattrs := map[string]string{}
	n, err := unix.Llistxattr(path, nil)
	require.NoError(t, err, path)
	if n == 0 {
		return xattrs
	}
	b := make([]byte, 1<<16)
	n, err = unix.Llistxattr(path, b)
	require.NoError(t, err, path)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(b[:n]), "\x00"), "\x00") {
		n, err := unix.Lgetxattr(path, name, b)
		require.NoError(t, err, "%s of %s", name, path)
		xattrs[name] = describeXattr(name, string(b[:n]))
	}
	return xattrs
}

// describeXattr returns a value without the meaningless IDs in access control lists, and a digest instead of a long one.
func describeXattr(name, value string) string {
	if len(value) > 100 {
		return fmt.Sprintf("%d bytes, %x", len(value), sha256.Sum256([]byte(value)))
	}
	if !strings.HasPrefix(name, "system.posix_acl_") {
		return value
	}
	b := []byte(value)
	for e := b[4:]; len(e) >= 8; e = e[8:] {
		if tag := binary.LittleEndian.Uint16(e); tag != aclUser && tag != aclGroup {
			clear(e[4:8])
		}
	}
	return string(b)
}

// requireSame compares entry by entry, to keep failures readable.
func requireSame(t *testing.T, want, got listing) {
	t.Helper()
	for name, d := range want {
		g, found := got[name]
		require.True(t, found, "%q is missing", name)
		require.Equal(t, d, g, "entry %q", name)
	}
	for name := range got {
		_, found := want[name]
		require.True(t, found, "%q is unexpected", name)
	}
}
