package initramfs

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// card makes a disk with one partition, in directories as those of sysfs and devtmpfs.
func card(t *testing.T, dir, disk, partition string, change func(mbr []byte)) {
	t.Helper()
	mbr := make([]byte, 512)
	copy(mbr[440:], "\x2b\x1a\x8f\x5d")
	copy(mbr[510:], "\x55\xaa")
	if change != nil {
		change(mbr)
	}
	for _, d := range []string{"dev", "class", "devices/" + disk + "/" + partition} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dev", disk), mbr, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dev", partition), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "devices", disk, partition, "partition"), []byte("2\n"), 0o644))
	require.NoError(t, os.Symlink("../devices/"+disk+"/"+partition, filepath.Join(dir, "class", partition)))
}

// Of two disks with one identity, that is the root which the firmware started from: an old card in the slot does not take
// over a system on NVMe.
func TestFirmwareDisk(t *testing.T) {
	dir := t.TempDir()
	card(t, dir, "mmcblk0", "mmcblk0p2", nil)
	card(t, dir, "nvme0n1", "nvme0n1p2", nil)
	for mode, want := range map[string]string{
		"": "mmcblk0p2", "\x00\x00\x00\x01": "mmcblk0p2", "\x00\x00\x00\x06": "nvme0n1p2", "\x00\x00\x00\x02": "mmcblk0p2",
	} {
		file := filepath.Join(dir, "boot-mode")
		require.NoError(t, os.WriteFile(file, []byte(mode), 0o644))
		d := Devices{Sys: filepath.Join(dir, "class"), Dev: filepath.Join(dir, "dev"), Prefer: firmwareDevice(file)}
		got, err := d.Find("PARTUUID=5d8f1a2b-02")
		require.NoError(t, err)
		require.Equal(t, want, filepath.Base(got), "boot mode %x", mode)
		require.True(t, d.Preferred(got))
	}
	d := Devices{Sys: filepath.Join(dir, "class"), Dev: filepath.Join(dir, "dev"), Prefer: "sd"}
	got, err := d.Find("PARTUUID=5d8f1a2b-02")
	require.NoError(t, err)
	require.False(t, d.Preferred(got), "a USB disk may still appear")
}

// While a disk gets its own identity, it is found by the previous one, too.
func TestPreviousPartUUID(t *testing.T) {
	mbr := make([]byte, 512)
	copy(mbr[424:], "pkid\x2b\x1a\x8f\x5d")
	copy(mbr[440:], "\x01\x02\x03\x04")
	copy(mbr[510:], "\x55\xaa")
	require.Equal(t, "04030201-02", PartUUID(bytes.NewReader(mbr), 2))
	require.Equal(t, "5d8f1a2b-02", previousPartUUID(bytes.NewReader(mbr), 2))
	require.Empty(t, previousPartUUID(bytes.NewReader(make([]byte, 512)), 2))
	dir := t.TempDir()
	card(t, dir, "mmcblk0", "mmcblk0p2", func(b []byte) { copy(b, mbr) })
	d := Devices{Sys: filepath.Join(dir, "class"), Dev: filepath.Join(dir, "dev")}
	for _, spec := range []string{"PARTUUID=04030201-02", "PARTUUID=5d8f1a2b-02"} {
		_, err := d.Find(spec)
		require.NoError(t, err, spec)
	}
}
