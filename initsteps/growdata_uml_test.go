package initsteps_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/internal/uml"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// vfatModules are what Linux needs to mount FAT32.
const vfatModules = `for module in nls/nls_cp437 nls/nls_iso8859-1 fat/fat fat/vfat; do
	insmod /usr/lib/uml/modules/$(uname -r)/kernel/fs/$module.ko || exit
done
mount -t tmpfs tmpfs /run || exit
`

// writeImage writes the image of a disk whose third partition takes the rest, on a card of largeSize.
func writeImage(t *testing.T, format disk.Format) string {
	t.Helper()
	files := tree.New()
	for _, name := range []string{"boot/firmware/config.txt", "a/file", "data/a/file"} {
		require.NoError(t, files.Put(name, &tree.Node{Type: tree.Regular, Mode: 0o644, Content: tree.Inline("kept\n")}))
	}
	d, err := disk.Prepare(files, disk.Layout{Signature: 1, Time: time.Unix(1_700_000_000, 0), Partitions: []disk.Partition{
		{Mount: disk.Firmware, Format: disk.FAT32, Size: 64 * mib},
		{Mount: "/", Format: disk.Ext4, UUID: [16]byte{1}, Free: mib},
		{Mount: "/data", Format: format, UUID: [16]byte{2}, Free: 256 * mib},
	}})
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "disk")
	_, err = d.Create(t.Context(), name, disk.Options{})
	require.NoError(t, err)
	require.NoError(t, os.Truncate(name, largeSize))
	return name
}

// TestGrowDataInTheKernel boots cards whose third partition is to grow, twice.
func TestGrowDataInTheKernel(t *testing.T) {
	cards := []string{writeImage(t, disk.Ext4), writeImage(t, disk.FAT32)}
	out := uml.Machine{
		Memory: "256M", Disks: cards, Options: []string{"pkinit.grow=p3"},
		Before: vfatModules + "mount -t tmpfs tmpfs /tmp || exit\nexport TMPDIR=/tmp " + inside + "=data",
	}.Run(t, "TestGrowDataInside")
	require.Contains(t, out, "--- PASS: TestGrowDataInside")
	for _, card := range cards {
		out, err := exec.Command(needs.Program(t, "sfdisk"), "--verify", card).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// TestGrowDataInside is what runs inside.
func TestGrowDataInside(t *testing.T) {
	if os.Getenv(inside) == "" {
		t.Skip("runs as a part of TestGrowDataInTheKernel, in a kernel of its own")
	}
	for device, format := range map[string]string{"/dev/ubda": "ext4", "/dev/ubdb": "vfat"} {
		mounted(t, device+"2", func(dir string) {
			b := newBoot(initsteps.Linux{})
			require.NoError(t, initsteps.GrowPartition{Target: dir}.Do(b))
			require.NoError(t, initsteps.GrowFileSystem{Target: dir}.Do(b))
			require.Equal(t, initsteps.Skip(device+"3 ends where "+device+" does"), initsteps.GrowPartition{Target: dir}.Do(b))
			require.ErrorContains(t, initsteps.GrowFileSystem{Target: dir}.Do(b), "the file system fills "+device+"3")
			require.Nil(t, b.Report.Root.Grown)
		})
		data := t.TempDir()
		require.NoError(t, unix.Mount(device+"3", data, format, 0, ""))
		content, err := os.ReadFile(filepath.Join(data, "a/file"))
		require.NoError(t, err)
		require.Equal(t, "kept\n", string(content))
		requireSize(t, data, largeSize-512*mib)
		require.NoError(t, os.WriteFile(filepath.Join(data, "new"), make([]byte, 100*mib), 0o644))
		require.NoError(t, unix.Unmount(data, 0))
	}
}
