package boot

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/treetest"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

func TestMounts(t *testing.T) {
	below, out := treetest.New(t, "d srv", "l mnt srv", "f file x"), tree.New()
	require.NoError(t, below.Put("home/pi/data", &tree.Node{Mode: 0o775, UID: 1000, GID: 1001}))
	b := Layer{Signature: "0123abcd", Mounts: []Mount{
		{Partition: 3, Target: "/home/pi/data", FAT: true}, {Partition: 4, Target: "/srv/data"},
	}}
	fstab, err := b.fstab(out, below, imageTime)
	require.NoError(t, err)
	require.Equal(t, `PARTUUID=0123abcd-02 / ext4 defaults,noatime 0 1
PARTUUID=0123abcd-01 /boot/firmware vfat defaults,noatime,nofail 0 2
PARTUUID=0123abcd-03 /home/pi/data vfat defaults,noatime,nofail,uid=1000,gid=1001,umask=0002 0 2
PARTUUID=0123abcd-04 /srv/data ext4 defaults,noatime,nofail 0 2
`, fstab)
	require.Equal(t, []string{"d srv", "d srv/data"}, treetest.List(t, out), "mount points that are missing")

	for target, want := range map[string]string{
		"/file":     "mount point /file: path /file is a regular file in the image, want a directory",
		"/file/x":   "mount point /file/x: path /file is a regular file in the image, want a directory",
		"/mnt/data": "mount point /mnt/data: path /mnt is a symlink to /srv in the image: use that in the mount point",
	} {
		b.Mounts = []Mount{{Partition: 3, Target: target}}
		_, err := b.fstab(out, below, imageTime)
		require.EqualError(t, err, want)
	}
}
