package initramfs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// sfdisk writes a partition table, and says what it wrote: its opinion is the one that the kernel shares.
func sfdisk(t *testing.T, script string) (name string, partUUIDs []string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(name, nil, 0o644))
	require.NoError(t, os.Truncate(name, 64<<20))
	cmd := exec.Command(needs.Program(t, "sfdisk"), "--quiet", name)
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "sfdisk: %s", out)
	for _, n := range []string{"1", "2"} {
		out, err := exec.Command(needs.Program(t, "sfdisk"), "--part-uuid", name, n).Output()
		if err == nil && len(bytes.TrimSpace(out)) > 0 {
			partUUIDs = append(partUUIDs, strings.ToLower(string(bytes.TrimSpace(out))))
		}
	}
	return name, partUUIDs
}

func TestPartUUIDOfMBR(t *testing.T) {
	name, _ := sfdisk(t, "label: dos\nlabel-id: 0x0a2b3c4d\nsize=8M,type=c\ntype=83\n")
	disk, err := os.Open(name)
	require.NoError(t, err)
	defer disk.Close()
	require.Equal(t, "0a2b3c4d-01", PartUUID(disk, 1))
	require.Equal(t, "0a2b3c4d-02", PartUUID(disk, 2))
	require.Equal(t, "0a2b3c4d-0a", PartUUID(disk, 10))
}

func TestPartUUIDOfGPT(t *testing.T) {
	name, want := sfdisk(t, "label: gpt\nsize=8M\nsize=8M, uuid=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n")
	disk, err := os.Open(name)
	require.NoError(t, err)
	defer disk.Close()
	require.Len(t, want, 2)
	require.Equal(t, want[0], PartUUID(disk, 1))
	require.Equal(t, "0fc63daf-8483-4772-8e79-3d69d8477de4", PartUUID(disk, 2))
	for _, n := range []int{0, -1, 129, 1 << 30} {
		require.Empty(t, PartUUID(disk, n))
	}
}

func TestPartUUIDWithoutTable(t *testing.T) {
	require.Empty(t, PartUUID(bytes.NewReader(nil), 1))
	require.Empty(t, PartUUID(bytes.NewReader(make([]byte, 4096)), 1))
}

func TestExt4(t *testing.T) {
	for _, fs := range []string{"ext2", "ext4"} {
		name := filepath.Join(t.TempDir(), fs)
		out, err := exec.Command(needs.Program(t, "mke2fs"), "-q", "-t", fs, "-L", "rootfs", "-U", "12345678-9abc-def0-1234-56789abcdef0",
			name, "2M").CombinedOutput()
		require.NoError(t, err, "mke2fs: %s", out)
		f, err := os.Open(name)
		require.NoError(t, err)
		defer f.Close()
		uuid, label := Ext4(f)
		require.Equal(t, "12345678-9abc-def0-1234-56789abcdef0", uuid)
		require.Equal(t, "rootfs", label)
	}
	uuid, label := Ext4(bytes.NewReader(make([]byte, 4096)))
	require.Empty(t, uuid+label)
}

func FuzzDisk(f *testing.F) {
	gpt := make([]byte, 2048)
	gpt[510], gpt[511], gpt[450] = 0x55, 0xaa, 0xee
	copy(gpt[512:], "EFI PART")
	f.Add(gpt, 1)
	f.Fuzz(func(_ *testing.T, data []byte, n int) {
		PartUUID(bytes.NewReader(data), n)
		Ext4(bytes.NewReader(data))
	})
}
