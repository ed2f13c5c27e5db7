package qemu

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/mbr"
	"github.com/stretchr/testify/require"
)

// Sectors of the partitions of a test image, whose file system of 34 MiB is about the smallest that is FAT32.
const (
	fatStart  = 2048
	fatSize   = 34 * 2048
	rootStart = fatStart + fatSize
	rootSize  = 2048
)

// testImage writes an image with some files in its first partition. Its second holds nothing but a magic number.
func testImage(t *testing.T, files map[string][]byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "test.img")
	d, err := diskfs.Create(name, (rootStart+rootSize)*512, diskfs.SectorSizeDefault)
	require.NoError(t, err)
	partitions := []*mbr.Partition{
		{Index: 1, Type: mbr.Fat32LBA, Start: fatStart, Size: fatSize},
		{Index: 2, Type: mbr.Linux, Start: rootStart, Size: rootSize},
	}
	table := &mbr.Table{LogicalSectorSize: 512, PhysicalSectorSize: 512, Partitions: partitions}
	require.NoError(t, d.Partition(table))
	fat, err := fat32.Create(d.Backend, fatSize*512, fatStart*512, 512, "bootfs", false)
	require.NoError(t, err)
	for name, data := range files {
		if dir := filepath.Dir(name); dir != "." {
			require.NoError(t, fat.Mkdir(dir))
		}
		f, err := fat.OpenFile(name, os.O_CREATE|os.O_RDWR)
		require.NoError(t, err)
		_, err = f.Write(data)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	require.NoError(t, d.Close())
	patch(t, name, rootStart*512+1024+56, "\x53\xef")
	return name
}

func patch(t *testing.T, name string, offset int64, data string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte(data), offset)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestImage(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcde"), 10000)
	img, err := Open(testImage(t, map[string][]byte{
		"config.txt": []byte("kernel=x\n"), "vmlinuz-long-name": big, "dir/file": []byte("y"),
	}))
	require.NoError(t, err)
	defer img.Close()

	for name, want := range map[string]string{
		"config.txt": "kernel=x\n", "CONFIG.TXT": "kernel=x\n", "vmlinuz-long-name": string(big), "dir/file": "y",
	} {
		got, err := fs.ReadFile(img.Boot(), name)
		require.NoError(t, err, name)
		require.Equal(t, want, string(got), name)
		info, err := fs.Stat(img.Boot(), name)
		require.NoError(t, err, name)
		require.False(t, info.IsDir(), name)
	}
	info, err := fs.Stat(img.Boot(), "dir")
	require.NoError(t, err)
	require.True(t, info.IsDir())
	for _, name := range []string{"none", "dir/none", "none/none", "config.txt/none"} {
		_, err := fs.ReadFile(img.Boot(), name)
		require.ErrorIs(t, err, fs.ErrNotExist, name)
		_, err = img.Boot().Open(name)
		require.ErrorIs(t, err, fs.ErrNotExist, name)
	}
	_, err = fs.Stat(img.Boot(), "../config.txt")
	require.ErrorIs(t, err, fs.ErrInvalid)

	out := filepath.Join(t.TempDir(), "both")
	require.NoError(t, copyOut(img.Boot(), out, "dir/file", "config.txt"))
	got, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, "ykernel=x\n", string(got))
	require.ErrorIs(t, copyOut(img.Boot(), out, "none"), fs.ErrNotExist)
}

func TestOpenErrors(t *testing.T) {
	const entry1, entry2 = 446, 446 + 16 // of the partition table
	type spoiler func(t *testing.T, name string)
	patches := func(offset int64, data string) spoiler {
		return func(t *testing.T, name string) { patch(t, name, offset, data) }
	}
	cuts := func(size int64) spoiler {
		return func(t *testing.T, name string) { require.NoError(t, os.Truncate(name, size)) }
	}
	noTable := func(start string) spoiler {
		return func(t *testing.T, name string) { patch(t, name, 0, start); patch(t, name, 510, "\x00\x00") }
	}
	tests := map[string]struct {
		spoil spoiler
		want  string
	}{
		"no partition table": {
			noTable(""), "it has no MBR partition table",
		},
		"xz": {
			noTable("\xfd7zXZ\x00"), "it has no MBR partition table: it is compressed; run: unxz",
		},
		"gzip": {
			noTable("\x1f\x8b"), "it has no MBR partition table: it is compressed; run: gunzip",
		},
		"zstd": {func(t *testing.T, name string) {
			patch(t, name, 0, "\x28\xb5\x2f\xfd")
			patch(t, name, 510, "\x00\x00")
		}, "it has no MBR partition table: it is compressed; run: unzstd"},
		"qcow2": {
			noTable("QFI\xfb"), "it has no MBR partition table: it is a qcow2 image; run: qemu-img convert -O raw",
		},
		"cut short": {
			cuts(30 << 20), "it ends after 31457280 bytes, within partition 1, which ends at 36700160",
		},
		"cut in the root": {
			cuts(rootStart*512 + 4096), "it ends after 36704256 bytes, within partition 2, which ends at 37748736",
		},
		"first is Linux": {
			patches(entry1+4, "\x83"), "partition 1 has type 0x83, want 0x0c",
		},
		"no second": {
			patches(entry2, string(make([]byte, 16))), "it has no partition 2",
		},
		"no FAT32": {
			patches(fatStart*512, string(make([]byte, 512))), "partition 1 holds no FAT32 file system: ",
		},
		"no ext4": {
			patches(rootStart*512+1024+56, "\x00"), "partition 2 holds no ext4 file system",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			img := testImage(t, nil)
			tt.spoil(t, img)
			_, err := Open(img)
			require.ErrorContains(t, err, img+" is no image that a Raspberry Pi boots: "+tt.want)
		})
	}
	_, err := Open(filepath.Join(t.TempDir(), "none"))
	require.ErrorContains(t, err, "open image: ")
}

// Whoever boots an image needs no right to write to it.
func TestReadOnly(t *testing.T) {
	name := testImage(t, map[string][]byte{"a": []byte("b")})
	require.NoError(t, os.Chmod(name, 0o400))
	before, err := os.Stat(name)
	require.NoError(t, err)
	img, err := Open(name)
	require.NoError(t, err)
	_, err = fs.ReadFile(img.Boot(), "a")
	require.NoError(t, err)
	require.NoError(t, img.Close())
	after, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, before.ModTime(), after.ModTime())
}
