package fat

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/uml"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const (
	inside  = "PKBUILD_TEST_FAT_INSIDE"
	modules = `for module in nls/nls_cp437 nls/nls_iso8859-1 fat/fat fat/vfat; do
	insmod /usr/lib/uml/modules/$(uname -r)/kernel/fs/$module.ko || exit
done
`
)

// TestKernelAgrees mounts a file system in User Mode Linux, since not every kernel has vfat. Linux reads what was
// written, creates and removes files, and leaves a file system that is sound.
func TestKernelAgrees(t *testing.T) {
	image := write(t, bootFiles(t), testOptions)
	out := uml.Machine{
		Memory: "256M", Disks: []string{image},
		Before: modules + "mount -t tmpfs tmpfs /tmp || exit\nexport TMPDIR=/tmp " + inside + "=1",
	}.Run(t, "TestInsideTheKernel")
	require.Contains(t, out, "--- PASS: TestInsideTheKernel")
	fsck(t, image)
	got, err := readImage(t, image)
	require.NoError(t, err)
	want := bootFiles(t)
	want.Remove("many")
	put(t, want, "new/long name of a new file", regular("new"))
	require.Equal(t, listTree(t, want), listTree(t, got))
}

// TestInsideTheKernel is what runs there.
func TestInsideTheKernel(t *testing.T) {
	if os.Getenv(inside) == "" {
		t.Skip("runs as a part of TestKernelAgrees, in a kernel of its own")
	}
	dir := t.TempDir()
	require.NoError(t, unix.Mount("/dev/ubda", dir, "vfat", 0, "utf8,errors=remount-ro"))
	require.Equal(t, listTree(t, bootFiles(t)), listDir(t, dir))
	for name, n := range bootFiles(t).Walk() {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		if n.Type == tree.Regular {
			require.Equal(t, n.ModTime.Unix()/2*2, info.ModTime().Unix(), name)
		}
	}
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "many")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "new"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "new/long name of a new file"), []byte("new"), 0o644))
	require.NoError(t, unix.Unmount(dir, 0))
}
