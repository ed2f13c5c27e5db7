package fat

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// TestReadAny reads file systems of each width that dosfstools and mtools wrote.
func TestReadAny(t *testing.T) {
	want := files(t, "config.txt", "Mixed Case.txt", "a/b/c", "UPPER.TXT")
	put(t, want, "big", regular(strings.Repeat("0123456789abcdef", 20_000)))
	dir := t.TempDir()
	require.NoError(t, want.Extract(t.Context(), dir, tree.ExtractOptions{}))
	entries, err := filepath.Glob(dir + "/*")
	require.NoError(t, err)
	for _, width := range []struct {
		args []string
		want int
	}{{[]string{"-F12", "-s64"}, 12}, {[]string{"-F16", "-s4"}, 16}, {[]string{"-F32", "-s1"}, 32}} {
		image := mkfs(t, width.args...)
		tool(t, "mcopy", "-i", image, entries[0], "::gap")
		tool(t, "mcopy", append(append([]string{"-s", "-i", image}, entries...), "::/")...)
		tool(t, "mdel", "-i", image, "::gap")
		f, err := os.Open(image)
		require.NoError(t, err)
		defer f.Close()
		got, bits, err := ReadAny(t.Context(), f, 0, 64<<20)
		require.NoError(t, err)
		require.Equal(t, width.want, bits)
		require.Equal(t, listTree(t, want), listTree(t, got))
	}
}

func TestReadAnyErrors(t *testing.T) {
	image := mkfs(t, "-F16", "-s4")
	f, err := os.Open(image)
	require.NoError(t, err)
	defer f.Close()
	_, _, err = ReadAny(t.Context(), f, 0, 1<<20)
	require.EqualError(t, err, "file system of 67108864 bytes is larger than its partition of 1048576")
	_, _, err = ReadAny(t.Context(), strings.NewReader("x"), 0, 1)
	require.EqualError(t, err, "read boot sector: EOF")
}

func FuzzReadAny(f *testing.F) {
	for _, text := range []string{"", strings.Repeat("x", 4096)} {
		f.Add([]byte(text))
	}
	small := make([]byte, 8<<10)
	copy(small, "\xeb\x3c\x90mkfs.fat\x00\x02\x01\x01\x00\x01\x10\x00\x10\x00\xf8\x01\x00")
	small[510], small[511] = 0x55, 0xaa
	f.Add(small)
	f.Fuzz(func(t *testing.T, data []byte) {
		got, width, err := ReadAny(t.Context(), strings.NewReader(string(data)), 0, int64(len(data)))
		if err != nil {
			return
		}
		require.Contains(t, []int{12, 16, 32}, width)
		for name, n := range got.Walk() {
			if n.Type == tree.Regular {
				_, err := got.ReadFile(name)
				require.NoError(t, err)
			}
		}
	})
}

func TestFS(t *testing.T) {
	files := FS(files(t, "Config.TXT", "overlays/README"))
	data, err := fs.ReadFile(files, "config.txt")
	require.NoError(t, err)
	require.Equal(t, "Config.TXT", string(data))
	_, err = fs.Stat(files, "OVERLAYS/readme")
	require.NoError(t, err)
	_, err = fs.Stat(files, "overlays/none")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = fs.Stat(files, "../x")
	require.ErrorIs(t, err, fs.ErrInvalid)
	info, err := fs.Stat(files, "overlays")
	require.NoError(t, err)
	require.True(t, info.IsDir())
	entries, err := fs.ReadDir(files, ".")
	require.NoError(t, err)
	require.Len(t, entries, 2)
}
