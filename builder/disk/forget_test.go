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

func TestForget(t *testing.T) {
	name := filepath.Join(t.TempDir(), "old.img")
	content := bytes.Repeat([]byte("old image"), 1<<18)
	require.NoError(t, os.WriteFile(name, content, 0o400))
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Sync()) // what is not on the disk yet is kept in any case
	var st unix.Statfs_t
	require.NoError(t, unix.Statfs(name, &st))
	onDisk := st.Type != unix.TMPFS_MAGIC
	before := resident(t, f, len(content))
	require.Positive(t, before, "the test sees what is in memory")

	Forget(name)
	if onDisk {
		require.Less(t, resident(t, f, len(content)), before)
	}
	after, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, content, after)

	Forget(filepath.Join(t.TempDir(), "gone.img"))
	Forget(t.TempDir())
}

// resident is how many pages of a file are in memory.
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
