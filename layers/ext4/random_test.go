package ext4

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// before2310 is the first second that e2fsck takes for a mistake.
const before2310 = 5 << 31

// treeMaker makes random trees, the same for the same seed.
type treeMaker struct {
	*rand.Rand
	t    *testing.T
	tree *tree.Tree
	dirs []string
	file []string
	many bool // many small entries in few directories
}

func randomTree(t *testing.T, seed uint64) *tree.Tree {
	m := &treeMaker{Rand: rand.New(rand.NewPCG(seed, 0)), t: t, tree: tree.New(), dirs: []string{""}}
	if m.IntN(2) == 0 {
		put(t, m.tree, "", m.node(tree.Directory))
	}
	entries := 1 + m.IntN(60)
	if m.IntN(8) == 0 {
		m.many = true
		entries = 1000 + m.IntN(2000)
		m.dirs = append(m.dirs, m.name())
		put(t, m.tree, m.dirs[1], m.node(tree.Directory))
	}
	for range entries {
		m.entry()
	}
	return m.tree
}

func (m *treeMaker) entry() {
	dir := m.dirs[m.IntN(len(m.dirs))]
	path := strings.TrimPrefix(dir+"/"+m.name(), "/")
	if m.tree.Get(path) != nil {
		return
	}
	if len(m.file) > 0 && m.IntN(10) == 0 {
		put(m.t, m.tree, path, m.tree.Get(m.file[m.IntN(len(m.file))]))
		return
	}
	kinds := []tree.Type{
		tree.Regular, tree.Regular, tree.Regular, tree.Symlink, tree.Char, tree.Block, tree.Fifo,
		tree.Socket, tree.Directory,
	}
	kind := kinds[m.IntN(len(kinds))]
	if m.many && kind == tree.Directory && m.IntN(20) > 0 {
		kind = tree.Regular
	}
	put(m.t, m.tree, path, m.node(kind))
	if kind == tree.Directory {
		m.dirs = append(m.dirs, path)
	} else {
		m.file = append(m.file, path)
	}
}

func (m *treeMaker) name() string {
	n := 1 + m.IntN(20)
	if m.IntN(10) == 0 {
		n = 1 + m.IntN(maxName)
	}
	letters := []rune("abcXYZ019-_.,+äß€𝄞 '\"")
	var b strings.Builder
	for b.Len() < n {
		r := letters[m.IntN(len(letters))]
		if b.Len()+len(string(r)) <= maxName {
			b.WriteRune(r)
		}
	}
	if name := b.String(); strings.Trim(name, ".") != "" {
		return name
	}
	return "dots"
}

func (m *treeMaker) node(kind tree.Type) *tree.Node {
	n := &tree.Node{
		Type: kind, Mode: uint32(m.IntN(0o10000)), UID: m.id(), GID: m.id(),
		ModTime: time.Unix(minTime+m.Int64N(before2310-minTime), m.Int64N(1e9)), Xattrs: m.xattrs(kind),
	}
	if kind == tree.Regular || kind == tree.Directory {
		n.Immutable, n.AppendOnly = m.IntN(20) == 0, m.IntN(20) == 0
	}
	switch kind {
	case tree.Regular:
		n.Content = m.content()
	case tree.Symlink:
		n.Mode = 0o777
		n.Target = strings.Repeat("x/", 1+m.IntN(40)) + m.name()
	case tree.Char, tree.Block:
		n.Major, n.Minor = m.Uint32N(300), m.Uint32N(1000)
	}
	return n
}

func (m *treeMaker) id() uint32 {
	if m.IntN(2) == 0 {
		return m.Uint32N(2000)
	}
	return m.Uint32N(1<<32 - 1)
}

func (m *treeMaker) content() tree.Content {
	if m.many {
		return tree.Inline(m.bytes(m.IntN(300)))
	}
	switch m.IntN(8) {
	case 0:
		return tree.Content{}
	case 1:
		return tree.Inline(m.bytes(m.IntN(4) * blockSize))
	case 2:
		return tree.Inline(m.bytes(m.IntN(300_000)))
	case 3:
		return m.sparse()
	}
	return tree.Inline(m.bytes(m.IntN(2 * blockSize)))
}

func (m *treeMaker) bytes(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], m.Uint64())
		copy(b[i:], word[:])
	}
	return b
}

// sparse returns a part of a file with holes.
func (m *treeMaker) sparse() tree.Content {
	f, err := os.Create(filepath.Join(m.t.TempDir(), "sparse"))
	require.NoError(m.t, err)
	m.t.Cleanup(func() { require.NoError(m.t, f.Close()) })
	size := m.Int64N(4 << 20)
	require.NoError(m.t, f.Truncate(size))
	for range m.IntN(20) {
		_, err := f.WriteAt(m.bytes(m.IntN(20_000)), m.Int64N(size+1))
		require.NoError(m.t, err)
	}
	offset := m.Int64N(size/2 + 1)
	if m.IntN(2) == 0 {
		offset -= offset % blockSize
	}
	st, err := f.Stat()
	require.NoError(m.t, err)
	return tree.Content{ReaderAt: f, Offset: offset, Size: st.Size() - offset}
}

func (m *treeMaker) xattrs(kind tree.Type) map[string]string {
	if m.IntN(3) > 0 {
		return nil
	}
	xattrs := map[string]string{}
	spaces := []string{"trusted.", "security."}
	if kind == tree.Regular || kind == tree.Directory { // other types cannot have user attributes
		spaces = append(spaces, "user.")
	}
	for range m.IntN(8) {
		name := spaces[m.IntN(len(spaces))] + "n" + strconv.Itoa(m.IntN(1000))
		size := m.IntN(64)
		switch m.IntN(10) {
		case 0:
			size = m.IntN(5000)
		case 1:
			name += strings.Repeat("n", m.IntN(200))
		}
		xattrs[name] = string(m.bytes(size))
	}
	if kind == tree.Directory && m.IntN(2) == 0 {
		xattrs["system.posix_acl_default"] = m.acl()
	}
	return xattrs
}

// acl returns an access control list with a named user and a named group.
func (m *treeMaker) acl() string {
	b := binary.LittleEndian.AppendUint32(nil, aclXattrVersion)
	const none = 1<<32 - 1
	for _, e := range []struct {
		tag uint16
		id  uint32
	}{
		{1, none}, {aclUser, m.Uint32N(1 << 31)}, {4, none}, {aclGroup, m.Uint32N(1 << 31)}, {0x10, none}, {0x20, none},
	} {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, uint16(m.IntN(8)))
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return string(b)
}

// TestRandomTrees writes PKBUILD_TEST_TREES trees (default 30) with seeds from PKBUILD_TEST_SEED on.
func TestRandomTrees(t *testing.T) {
	trees, seed := 30, uint64(1)
	if v := os.Getenv("PKBUILD_TEST_TREES"); v != "" {
		var err error
		trees, err = strconv.Atoi(v)
		require.NoError(t, err)
	}
	if v := os.Getenv("PKBUILD_TEST_SEED"); v != "" {
		var err error
		seed, err = strconv.ParseUint(v, 10, 64)
		require.NoError(t, err)
	}
	t.Setenv("TMPDIR", memory())
	for i := range uint64(trees) {
		t.Run(fmt.Sprintf("seed %d", seed+i), func(t *testing.T) {
			t.Parallel()
			tree := randomTree(t, seed+i)
			o := testOptions
			o.OrphanFile = i%3 == 0
			image := writeImage(t, tree, o)
			fsck(t, image)
			want := describeTree(t, tree)
			requireDebugfsSees(t, image, want)
			requireReaderSees(t, image, want)
			requireKernelSees(t, image, want)
		})
	}
}

// memory returns a directory in memory if there is one, since it is faster.
func memory() string {
	const dir = "/dev/shm"
	if unix.Access(dir, unix.W_OK) != nil {
		return os.TempDir()
	}
	return dir
}
