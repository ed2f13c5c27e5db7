package initramfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// devices are a disk with two partitions, the second of which holds an ext4 file system, as /sys and /dev show them.
func devices(t *testing.T) Devices {
	t.Helper()
	dir := t.TempDir()
	d := Devices{Sys: filepath.Join(dir, "sys/class/block"), Dev: filepath.Join(dir, "dev")}
	real := filepath.Join(dir, "sys/devices/mmc")
	for _, made := range []string{d.Sys, d.Dev, real + "/mmcblk0/mmcblk0p1", real + "/mmcblk0/mmcblk0p2"} {
		require.NoError(t, os.MkdirAll(made, 0o755))
	}
	for _, n := range []string{"1", "2"} {
		require.NoError(t, os.WriteFile(real+"/mmcblk0/mmcblk0p"+n+"/partition", []byte(n+"\n"), 0o644))
		require.NoError(t, os.Symlink("../../devices/mmc/mmcblk0/mmcblk0p"+n, d.Sys+"/mmcblk0p"+n))
		require.NoError(t, os.WriteFile(d.Dev+"/mmcblk0p"+n, nil, 0o644))
	}
	require.NoError(t, os.Symlink("../../devices/mmc/mmcblk0", d.Sys+"/mmcblk0"))
	disk, _ := sfdisk(t, "label: dos\nlabel-id: 0x0a2b3c4d\nsize=8M,type=c\ntype=83\n")
	require.NoError(t, os.Rename(disk, d.Dev+"/mmcblk0"))
	out, err := exec.Command(needs.Program(t, "mke2fs"), "-q", "-L", "rootfs", "-U", "12345678-9abc-def0-1234-56789abcdef0",
		d.Dev+"/mmcblk0p2", "2M").CombinedOutput()
	require.NoError(t, err, "mke2fs: %s", out)
	return d
}

func TestFind(t *testing.T) {
	d := devices(t)
	for spec, want := range map[string]string{
		"PARTUUID=0a2b3c4d-02":                      "mmcblk0p2",
		"PARTUUID=0A2B3C4D-01":                      "mmcblk0p1",
		"UUID=12345678-9abc-def0-1234-56789abcdef0": "mmcblk0p2",
		"LABEL=rootfs":                              "mmcblk0p2",
		d.Dev + "/mmcblk0p1":                        "mmcblk0p1",
		d.Dev + "//mmcblk0":                         "mmcblk0",
	} {
		device, err := d.Find(spec)
		require.NoError(t, err, spec)
		require.Equal(t, filepath.Join(d.Dev, want), device, spec)
	}
}

func TestFindErrors(t *testing.T) {
	d := devices(t)
	for _, spec := range []string{"PARTUUID=0a2b3c4d-03", "PARTUUID=", "UUID=", "LABEL=other", "PARTLABEL=rootfs", "/dev/sda1"} {
		_, err := d.Find(spec)
		require.EqualError(t, err, "no block device matches root="+spec+": the machine has mmcblk0, mmcblk0p1, mmcblk0p2")
	}
	_, err := d.Find("")
	require.EqualError(t, err, "the kernel's command line has no root=")

	require.NoError(t, os.Remove(d.Dev+"/mmcblk0p2"))
	_, err = d.Find("PARTUUID=0a2b3c4d-02")
	require.ErrorContains(t, err, "no block device matches root=PARTUUID=0a2b3c4d-02", "its node is not there yet")

	d.Sys = t.TempDir()
	_, err = d.Find("LABEL=rootfs")
	require.EqualError(t, err, "no block device matches root=LABEL=rootfs: the machine has none")
	d.Sys += "/gone"
	_, err = d.Find("LABEL=rootfs")
	require.EqualError(t, err, "open "+d.Sys+": no such file or directory")
}
