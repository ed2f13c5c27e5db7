package qemu

import (
	"bytes"
	"io/fs"
	"maps"
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

// testImage writes an image with files in its boot partition, among them the firmware of a Pi 4; its root partition holds only the magic number of ext4.
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
	all := map[string][]byte{"start4.elf": []byte("firmware"), "fixup4.dat": []byte("firmware")}
	maps.Copy(all, files)
	for name, data := range all {
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
	type damage func(t *testing.T, name string)
	patches := func(offset int64, data string) damage {
		return func(t *testing.T, name string) { patch(t, name, offset, data) }
	}
	truncates := func(size int64) damage {
		return func(t *testing.T, name string) { require.NoError(t, os.Truncate(name, size)) }
	}
	noTable := func(start string) damage {
		return func(t *testing.T, name string) { patch(t, name, 0, start); patch(t, name, 510, "\x00\x00") }
	}
	tests := map[string]struct {
		damage damage
		want   string
	}{
		"no partition table": {
			noTable(""), "image has no MBR partition table",
		},
		"xz": {
			noTable("\xfd7zXZ\x00"), "image has no MBR partition table (compressed; run: unxz)",
		},
		"gzip": {
			noTable("\x1f\x8b"), "image has no MBR partition table (compressed; run: gunzip)",
		},
		"zstd": {func(t *testing.T, name string) {
			patch(t, name, 0, "\x28\xb5\x2f\xfd")
			patch(t, name, 510, "\x00\x00")
		}, "image has no MBR partition table (compressed; run: unzstd)"},
		"qcow2": {
			noTable("QFI\xfb"), "image has no MBR partition table (qcow2 image; run: qemu-img convert -O raw)",
		},
		"truncated boot partition": {
			truncates(30 << 20), "image is truncated: it has 31457280 bytes, and partition 1 ends at 36700160",
		},
		"truncated root partition": {
			truncates(rootStart*512 + 4096), "image is truncated: it has 36704256 bytes, and partition 2 ends at 37748736",
		},
		"boot partition of type Linux": {
			patches(entry1+4, "\x83"), "partition 1 has type 0x83, want 0x0c",
		},
		"no root partition": {
			patches(entry2, string(make([]byte, 16))), "image has no partition 2",
		},
		"no FAT32": {
			patches(fatStart*512, string(make([]byte, 512))), "partition 1: no FAT32 file system: ",
		},
		"no ext4": {
			patches(rootStart*512+1024+56, "\x00"), "partition 2: no ext4 file system",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			img := testImage(t, nil)
			tt.damage(t, img)
			_, err := Open(img)
			require.ErrorContains(t, err, img+" is not a disk image for a Raspberry Pi: "+tt.want)
		})
	}
	_, err := Open(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// A boot needs no write permission for the image.
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

func TestChoices(t *testing.T) {
	img, err := Open(testImage(t, map[string][]byte{"config.txt": []byte("# boards: pi4 cm4\n"), "kernel8.img": nil}))
	require.NoError(t, err)
	defer img.Close()
	one, all, err := choices(img.Boot(), "cm4")
	require.NoError(t, err)
	require.Equal(t, "kernel8.img", one.Kernel)
	require.Len(t, all, 2, "the boards for which the image was built")
	_, _, err = choices(img.Boot(), "pi5")
	require.EqualError(t, err, "pi5: no compatible device tree: bcm2712-rpi-5-b.dtb is missing (os_check)")
	_, _, err = choices(img.Boot(), "pi2")
	require.ErrorContains(t, err, `unknown board "pi2", want pi3`)
}
