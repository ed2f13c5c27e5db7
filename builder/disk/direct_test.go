package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestDirect writes whole blocks, and then a part of one, which O_DIRECT does not allow.
func TestDirect(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.img"))
	require.NoError(t, err)
	defer f.Close()
	d := newDirect(f)
	want := bytes.Repeat([]byte("a disk, "), 2*pieceSize/8)
	for at := 0; at < len(want); at += pieceSize {
		piece := append(make([]byte, 0, pieceSize), want[at:at+pieceSize]...)
		n, err := d.WriteAt(piece, int64(at))
		require.NoError(t, err)
		require.Equal(t, pieceSize, n)
	}
	reaches := straight(t, f.Name())
	if reaches {
		require.True(t, d.enabled)
		require.Zero(t, resident(t, f, len(want)), "pages in memory")
	}
	for _, at := range []int64{1000, int64(len(want)) + 512} {
		n, err := d.WriteAt([]byte("a line"), at)
		require.NoError(t, err)
		require.Equal(t, 6, n)
		require.False(t, reaches && d.enabled)
	}
	copy(want[1000:], "a line")
	want = append(append(want, make([]byte, 512)...), "a line"...)
	got, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
}

// straight reports whether writes with O_DIRECT bypass the page cache in the directory of a file. Some file systems reject
// the flag, others ignore it.
func straight(t *testing.T, name string) bool {
	t.Helper()
	f, err := os.OpenFile(name+".probe", os.O_CREATE|os.O_RDWR|unix.O_DIRECT, 0o600)
	if err != nil {
		require.ErrorIs(t, err, unix.EINVAL)
		return false
	}
	defer f.Close()
	_, err = f.WriteAt(make([]byte, pieceSize), 0)
	require.NoError(t, err)
	return resident(t, f, pieceSize) == 0
}

// TestCreateLeavesNothingInMemory: every write of a disk is aligned, so that no page of the image stays in the page cache.
func TestCreateLeavesNothingInMemory(t *testing.T) {
	name, err := write(t.Context(), t, newTree(t))
	require.NoError(t, err)
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	if straight(t, name) {
		require.Zero(t, resident(t, f, int(info.Size())))
	}
}

// resident returns the number of pages of a file in the page cache.
func resident(t *testing.T, f *os.File, size int) int {
	t.Helper()
	b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Munmap(b)) }()
	pages := make([]byte, (size+os.Getpagesize()-1)/os.Getpagesize())
	require.NoError(t, mincore(b, pages))
	n := 0
	for _, p := range pages {
		n += int(p & 1)
	}
	return n
}

func mincore(b, pages []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&pages[0])))
	if errno != 0 {
		return errno
	}
	return nil
}
