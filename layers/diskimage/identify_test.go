package diskimage

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// head returns the beginning of a file system or file that testdata/mkheads made.
func head(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/heads", name+".gz"))
	require.NoError(tb, err)
	r, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(tb, err)
	content, err := io.ReadAll(r)
	require.NoError(tb, err)
	return content
}

// heads maps the names of all of testdata/heads to the TYPE that blkid gives them, "" for none.
var heads = map[string]string{
	"EROFS": "erofs", "FAT12": "vfat", "FAT16": "vfat", "FAT32": "vfat", "ISO-9660": "iso9660", "JFS": "jfs", "LUKS": "crypto_LUKS",
	"LUKS-2": "crypto_LUKS", "NILFS2": "nilfs2", "NTFS": "ntfs", "ReiserFS": "reiserfs", "XFS": "xfs", "btrfs": "btrfs",
	"exFAT": "exfat", "ext2": "ext2", "ext3": "ext3", "ext4": "ext4", "f2fs": "f2fs", "squashfs": "squashfs", "swap": "swap",
	"swap-16": "swap", "UDF": "", "LVM": "", "Linux-RAID": "",
}

// fileFormats maps the others of testdata/heads to their description in messages.
var fileFormats = map[string]string{
	"qcow2": "qcow2", "VMDK": "VMDK", "VDI": "VDI", "VHDX": "VHDX", "VHD": "VHD", "tar": "a tar archive",
	"Android-sparse-image": "an Android sparse image",
}

func TestIdentify(t *testing.T) {
	all, err := filepath.Glob("testdata/heads/*.gz")
	require.NoError(t, err)
	require.Len(t, all, len(heads)+len(fileFormats))
	for name, kind := range heads {
		want := strings.TrimSuffix(strings.TrimSuffix(name, "-2"), "-16")
		want = map[string]string{"LUKS": "LUKS (encrypted)", "ISO-9660": "ISO 9660", "Linux-RAID": "Linux RAID"}[want]
		if want == "" {
			want, _, _ = strings.Cut(name, "-")
		}
		content := append(make([]byte, 512), head(t, name)...)
		got, err := identify(bytes.NewReader(content), 512)
		require.NoError(t, err, name)
		require.Equal(t, want, got)
		if kind == "" {
			continue // which blkid looks for at other places, too
		}
		file := filepath.Join(t.TempDir(), "image")
		require.NoError(t, os.WriteFile(file, content[512:], 0o600))
		require.NoError(t, os.Truncate(file, 600<<20))
		out, err := exec.Command(needs.Program(t, "blkid"), "-p", "-o", "value", "-s", "TYPE", file).Output()
		require.NoError(t, err, name)
		require.Equal(t, kind+"\n", string(out), name)
	}
	got, err := identify(bytes.NewReader(make([]byte, 100<<10)), 0)
	require.NoError(t, err)
	require.Empty(t, got)
}
