package ext4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

func TestSameTreeSameBytes(t *testing.T) {
	for seed := range uint64(8) {
		o := testOptions
		o.OrphanFile = seed%2 == 0
		first, err := os.ReadFile(writeImage(t, randomTree(t, seed), o))
		require.NoError(t, err)
		second, err := os.ReadFile(writeImage(t, randomTree(t, seed), o))
		require.NoError(t, err)
		require.True(t, bytes.Equal(first, second), "seed %d", seed)
	}
}

// The bytes do not depend on the reader of the contents or on the offset of the partition.
func TestSameBytesFromAnyReader(t *testing.T) {
	text := strings.Repeat("0123456789abcde\n", 100_000)
	f, err := os.Create(filepath.Join(t.TempDir(), "content"))
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteString("???" + text)
	require.NoError(t, err)
	write := func(c tree.Content, offset int64) []byte {
		files := tree.New()
		put(t, files, "file", &tree.Node{Type: tree.Regular, Content: c})
		o := testOptions
		o.Size = 16 << 20
		image := filepath.Join(t.TempDir(), "image")
		out, err := os.Create(image)
		require.NoError(t, err)
		require.NoError(t, out.Truncate(offset+o.Size))
		require.NoError(t, Write(t.Context(), out, offset, files, o))
		require.NoError(t, out.Close())
		b, err := os.ReadFile(image)
		require.NoError(t, err)
		require.Equal(t, make([]byte, offset), b[:offset])
		return b[offset:]
	}
	inline := write(tree.Inline(text), 0)
	require.True(t, bytes.Equal(inline, write(tree.Content{ReaderAt: f, Offset: 3, Size: int64(len(text))}, 4<<20)))
}

// The bytes of an image depend on nothing but tree and options, so a change of this digest changes every image that is
// built from now on: change it on purpose only.
func TestBytesStayTheSame(t *testing.T) {
	files := tree.New()
	acl := (&treeMaker{Rand: rand.New(rand.NewPCG(1, 0))}).acl()
	for i := range 3000 {
		put(t, files, fmt.Sprintf("many/file-%d", i), &tree.Node{Type: tree.Regular, UID: uint32(i), Content: tree.Inline("x")})
	}
	put(t, files, "large", &tree.Node{Type: tree.Regular, ModTime: time.Unix(1<<32, 5), Content: tree.Inline(strings.Repeat("x", 3<<20))})
	put(t, files, "hard", files.Get("large"))
	put(t, files, "symlink", &tree.Node{Type: tree.Symlink, Target: strings.Repeat("t", 100)})
	put(t, files, "device", &tree.Node{Type: tree.Block, Major: 1000, Minor: 70000})
	put(t, files, "xattrs", &tree.Node{Xattrs: map[string]string{
		"user.inline": "a", "user.block": strings.Repeat("b", 500), "trusted.apart": strings.Repeat("c", 9000), "system.posix_acl_default": acl}})
	o := testOptions
	o.OrphanFile, o.ReservedPercent, o.Size = true, 5, 300<<20
	f, err := os.Open(writeImage(t, files, o))
	require.NoError(t, err)
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	require.NoError(t, err)
	require.Equal(t, "03a23a264be19c54ac5d9719ea4a0f5492a4d5175a4602fb9ac51ed75e09d484", hex.EncodeToString(h.Sum(nil)))
}
