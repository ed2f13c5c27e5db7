package builder

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/layers/boot"
	"github.com/PlanktoScope/pkbuild/recipes"
)

func TestGrowArgument(t *testing.T) {
	r := &recipes.Recipe{Boot: recipes.Boot{Cmdline: []string{"quiet"}}}
	require.Equal(t, []string{"pkinit.identity=5d8f1a2b", "quiet"}, cmdline(r, "5d8f1a2b"))
	r.Disk.Grow = true
	require.Equal(t, []string{"pkinit.grow", "pkinit.identity=5d8f1a2b", "quiet"}, cmdline(r, "5d8f1a2b"))
	r.Boot.RescuePin = "17"
	require.Equal(t, []string{"pkinit.grow", "pkinit.gpio=17", "pkinit.identity=5d8f1a2b", "quiet"}, cmdline(r, "5d8f1a2b"))
	r.Boot.RescuePin = ""
	r.Disk.Shared = true
	require.Equal(t, []string{"pkinit.grow", "quiet"}, cmdline(r, "5d8f1a2b"))
	r.Disk.Shared = false
	r.Disk.Partitions = []recipes.Partition{{Size: "1GiB"}}
	require.Equal(t, []string{"pkinit.grow", "pkinit.identity=5d8f1a2b", "quiet"}, cmdline(r, "5d8f1a2b"))
	r.Disk.Partitions = append(r.Disk.Partitions, recipes.Partition{Size: "rest"})
	require.Equal(t, []string{"pkinit.grow=p4", "pkinit.identity=5d8f1a2b", "quiet"}, cmdline(r, "5d8f1a2b"))
}

func TestDiskLayout(t *testing.T) {
	r := &recipes.Recipe{Name: "pi", Disk: recipes.Disk{BootSize: "256MiB", Free: "1GiB", Size: "8GiB", Partitions: []recipes.Partition{
		{Mount: "/config/", Format: "fat32", Size: "64MiB", Label: "CONFIG"},
		{Mount: "/data", Format: "ext4", Size: "rest", Label: "data"},
	}}}
	l, err := diskLayout(r, "0123abcd")
	require.NoError(t, err)
	id := func(purpose string) uuid.UUID {
		return uuid.NewSHA1(uuid.NameSpaceURL, []byte("pkbuild "+purpose+" of pi"))
	}
	require.Equal(t, disk.Layout{Signature: 0x0123abcd, Size: 8 << 30, Partitions: []disk.Partition{
		{Mount: "/boot/firmware", Format: disk.FAT32, Label: "bootfs", Serial: 0x685aa82c, Size: 256 << 20},
		{Mount: "/", Format: disk.Ext4, Label: "rootfs", UUID: id("root file system"), Free: 1 << 30},
		{Mount: "/config", Format: disk.FAT32, Label: "CONFIG", Serial: l.Partitions[2].Serial, Size: 64 << 20},
		{Mount: "/data", Format: disk.Ext4, Label: "data", UUID: id("file system at /data"), Free: 256 << 20},
	}}, l)
	require.NotEqual(t, l.Partitions[0].Serial, l.Partitions[2].Serial)
	require.Equal(t, []boot.Mount{{Partition: 3, Target: "/config", FAT: true}, {Partition: 4, Target: "/data"}}, mounts(r.Disk.Partitions))
}
