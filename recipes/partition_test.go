package recipes

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPartitions(t *testing.T) {
	recipe, err := load(map[string]string{
		"base.yml": "disk: {partitions: [{mount: /srv/config/, format: fat32, size: 64MiB, label: CONFIG}]}",
		"pi.yml":   base + "include: [base.yml]\ndisk: {partitions: [{mount: /home/pi/data, size: rest}]}\n",
	}, nil)
	require.NoError(t, err)
	require.Equal(t, []Partition{
		{Mount: "/srv/config/", Format: "fat32", Size: "64MiB", Label: "CONFIG"},
		{Mount: "/home/pi/data", Format: "ext4", Size: "rest"},
	}, recipe.Disk.Partitions)
}

func TestMistakesInPartitions(t *testing.T) {
	_, err := load(map[string]string{"pi.yml": base + `
disk:
  partitions:
    - {mount: /data, size: rest, label: rootfs}
    - {mount: /data/, size: rest, format: fat32, label: twelve-bytes}
    - {mount: /srv, size: 4MiB, format: fat32}
    - {mount: srv, size: all, format: ntfs, label: "a b"}
    - {mount: /a/../b, size: 3MiB, label: twelve-bytes}
    - {}
`}, nil)
	require.EqualError(t, err, `pi.yml:6:41: disk.partitions[0].label: label "rootfs" is that of another partition; choose another label
pi.yml:7:15: disk.partitions[1].mount: partition "/data" is already in pi.yml:6; choose another mount point
pi.yml:7:29: disk.partitions[1].size: the rest of the disk is already that of pi.yml:6; write a size
pi.yml:7:57: disk.partitions[1].label: label "twelve-bytes" is longer than the 11 characters of FAT32; write a shorter one
pi.yml:8:7: disk.partitions[2]: an MBR has four partitions, two of which are boot and root; remove this one
pi.yml:8:27: disk.partitions[2].size: "4MiB" is too small for FAT32; write at least 36MiB
pi.yml:9:7: disk.partitions[3]: an MBR has four partitions, two of which are boot and root; remove this one
pi.yml:9:15: disk.partitions[3].mount: "srv" is invalid; write an absolute path, such as /data
pi.yml:9:26: disk.partitions[3].size: "all" is invalid; write a size in B, KiB, MiB, GiB or TiB, such as 4GiB, or rest
pi.yml:9:39: disk.partitions[3].format: "ntfs" is not supported; write ext4 or fat32
pi.yml:9:52: disk.partitions[3].label: "a b" is invalid; write letters, digits, dashes and underscores, such as data
pi.yml:10:7: disk.partitions[4]: an MBR has four partitions, two of which are boot and root; remove this one
pi.yml:10:15: disk.partitions[4].mount: "/a/../b" leaves its directory through ".."; write the path without
pi.yml:10:30: disk.partitions[4].size: "3MiB" is too small; write at least 4MiB
pi.yml:10:43: disk.partitions[4].label: label "twelve-bytes" is that of another partition; choose another label
pi.yml:11:7: disk.partitions[5]: "mount" is missing; add it: an absolute path, such as /data
pi.yml:11:7: disk.partitions[5]: "size" is missing; add it: a size in B, KiB, MiB, GiB or TiB, such as 4GiB, or rest
pi.yml:11:7: disk.partitions[5]: an MBR has four partitions, two of which are boot and root; remove this one`)
}

func TestMountPoints(t *testing.T) {
	for _, mount := range []string{"/data", "/srv/data", "/home/pi/data", "/opt", "/var/log", "/var/lib/docker", "/usrlocal"} {
		require.NoError(t, checkMount(mount))
	}
	for _, mount := range []string{"/", "//", "/var", "/var/lib/", "/home", "/home/pi", "/home/pi/.local/share"} {
		require.EqualError(t, checkMount(mount), quote(mount)+" is used before partitions are mounted; choose a mount point such as /data")
	}
	for mount, dir := range map[string]string{
		"/usr": "/usr", "/etc/data": "/etc", "/boot/firmware": "/boot", "/run/x": "/run", "/var/lib/overlays/x": "/var/lib/overlays",
	} {
		require.EqualError(t, checkMount(mount), quote(mount)+" is in "+dir+", which is used before partitions are mounted; choose a mount point such as /data")
	}
	require.EqualError(t, checkMount("/my data"), `"/my data" contains a character that fstab gives another meaning; choose a mount point without it`)
}
