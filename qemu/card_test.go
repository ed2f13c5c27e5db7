package qemu

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCardSize(t *testing.T) {
	for size, want := range map[int64]int64{
		0: 1, 1: 1, 2: 2, 3: 4, 1 << 31: 1 << 31, 1<<31 + 1: 1 << 32, 2273312768: 4 << 30,
	} {
		require.Equal(t, want, cardSize(size), size)
	}
}

func TestCopyCard(t *testing.T) {
	dir := t.TempDir()
	image, card := filepath.Join(dir, "image"), filepath.Join(dir, "card")
	f, err := os.Create(image)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("begin"), 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("middle"), 40<<20)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(50<<20))
	require.NoError(t, f.Close())

	require.NoError(t, copyCard(image, card, 64<<20))
	want, err := os.ReadFile(image)
	require.NoError(t, err)
	got, err := os.ReadFile(card)
	require.NoError(t, err)
	require.Equal(t, append(want, make([]byte, 14<<20)...), got)
	info, err := os.Stat(card)
	require.NoError(t, err)
	require.Less(t, info.Sys().(*syscall.Stat_t).Blocks*512, int64(2<<20), "holes are copied as holes")

	require.NoError(t, copyCard(image, card, 0))
	info, err = os.Stat(card)
	require.NoError(t, err)
	require.Equal(t, int64(50<<20), info.Size())
}
