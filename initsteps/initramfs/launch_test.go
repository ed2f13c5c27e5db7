package initramfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/bootset"
)

func TestBootPartition(t *testing.T) {
	spec, err := bootPartition("PARTUUID=6617f339-02")
	require.NoError(t, err)
	require.Equal(t, "PARTUUID=6617f339-01", spec)
	for _, root := range []string{"", "LABEL=rootfs", "PARTUUID=b0a4-11-22-33", "/dev/sda2"} {
		_, err := bootPartition(root)
		require.EqualError(t, err, "root="+root+" names no partition of an MBR, so the boot partition is unknown")
	}
}

func TestNextCmdline(t *testing.T) {
	const launch, next = "root=A quiet nr_cpus=1 pkinit.launch=boot-2\n", "root=B pkinit.set=boot-2\n"
	require.Equal(t, "coherent_pool=1M root=B pkinit.set=boot-2 console=ttyAMA0",
		nextCmdline("coherent_pool=1M root=A  quiet nr_cpus=1 pkinit.launch=boot-2 console=ttyAMA0\n", launch, next))
	require.Equal(t, "root=B pkinit.set=boot-2", nextCmdline("root=C\n", launch, next), "somebody else's command line")
}

func TestPrepareLaunch(t *testing.T) {
	dir := t.TempDir()
	store := bootset.Store{Files: bootset.Dir(dir)}
	config, err := bootset.FormatConfig(1, nil)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, bootset.ConfigFile), config, 0o644))
	add := func(name string) int {
		n, err := store.Add(name, map[string]bootset.Content{
			bootset.Kernel: bootset.Bytes([]byte("kernel " + name)), bootset.Initramfs: bootset.Bytes([]byte("initramfs " + name)),
			bootset.Cmdline: bootset.Bytes([]byte("root=" + name + "\n")),
		})
		require.NoError(t, err)
		return n
	}
	add("old")
	n := add("new")
	require.NoError(t, store.Try(n))
	k, restored, err := prepareLaunch(store, dir, n)
	require.NoError(t, err)
	require.True(t, restored)
	require.Equal(t, "kernel new", string(k.Image))
	require.Equal(t, "initramfs new", string(k.Initramfs))
	require.Equal(t, "root=new", k.Cmdline)
	got, err := os.ReadFile(filepath.Join(dir, bootset.ConfigFile))
	require.NoError(t, err)
	require.Equal(t, string(config), string(got))

	_, restored, err = prepareLaunch(store, dir, n)
	require.EqualError(t, err, "boot set 2 was tried before")
	require.True(t, restored)

	require.NoError(t, store.Try(n))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "boot-2/vmlinuz"), []byte("kernel nev"), 0o644))
	_, restored, err = prepareLaunch(store, dir, n)
	require.ErrorContains(t, err, "boot set 2: vmlinuz is damaged")
	require.True(t, restored, "a damaged set is not started, and not tried again")
}
