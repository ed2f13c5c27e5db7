package diskimage

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// partitioned makes a sparse image of a size in MiB with a table as sfdisk reads it, and contents at offsets in MiB.
func partitioned(t *testing.T, size int64, table string, contents map[int64]string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	require.NoError(t, f.Truncate(size<<20))
	if table != "" {
		cmd := exec.Command(needs.Program(t, "sfdisk"), "--quiet", f.Name())
		cmd.Stdin = bytes.NewBufferString(table)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	for at, name := range contents {
		_, err = f.WriteAt(head(t, name), at<<20)
		require.NoError(t, err)
	}
	return f
}

const pi = "label: dos\nstart=8192, size=81920, type=c\nstart=90112, size=40960, type=83\n" // 4 to 44 MiB, 44 to 64 MiB

func TestBootable(t *testing.T) {
	type contents = map[int64]string
	own := contents{4: "FAT32", 44: "ext4"}
	with := func(more contents) contents {
		for at, name := range own {
			if more[at] == "" {
				more[at] = name
			}
		}
		return more
	}
	const third = " would be missing from the new image, which has partitions 1 and 2 of a base: " +
		"if that is intended, add drop-partitions: "
	for name, test := range map[string]struct {
		table    string
		size     int64 // in MiB, 128 if zero
		contents contents
		drop     []uint32
		err      string
	}{
		"Raspberry Pi OS": {table: pi, contents: own},
		"third partition": {table: pi + "size=20480, type=83\n", contents: with(contents{64: "ext4"}),
			err: "partition 3 (type 0x83 Linux, 10.0 MiB, holds ext4)" + third + "[3] to base.image of the recipe"},
		"third partition that is dropped": {table: pi + "size=20480, type=83\n", contents: own, drop: []uint32{3}},
		"swap and one of unknown type": {table: pi + "size=20480, type=82\nsize=2048,type=77\n", contents: with(contents{64: "swap-16"}),
			err: "partition 3 (type 0x82 Linux swap, 10.0 MiB, holds swap) and partition 4 (type 0x77, 1.0 MiB)" + third +
				"[3, 4] to base.image of the recipe"},
		"logical partitions": {table: pi + "start=131072,size=131072,type=5\n/dev/x5 : start=133120,size=2048,type=83\n/dev/x6 : start=139264,size=4096,type=82\n",
			contents: with(contents{65: "btrfs"}),
			err: "partition 3 (type 0x05 extended, 64.0 MiB) and partition 5 (type 0x83 Linux, 1.0 MiB, holds btrfs) and " +
				"partition 6 (type 0x82 Linux swap, 2.0 MiB)" + third + "[3, 5, 6] to base.image of the recipe"},
		"one of them dropped": {table: pi + "start=131072,size=131072,type=5\n/dev/x5 : start=133120,size=2048,type=83\n", contents: own, drop: []uint32{3},
			err: "partition 5 (type 0x83 Linux, 1.0 MiB)" + third + "[3, 5] to base.image of the recipe"},
		"dropping what is not there": {table: pi, contents: own, drop: []uint32{3},
			err: "drop-partitions: image has no partition 3 that can be dropped"},
		"dropping the root": {table: pi, contents: own, drop: []uint32{2},
			err: "drop-partitions: image has no partition 2 that can be dropped"},
		"GPT": {table: "label: gpt\nstart=8192, size=81920\n", contents: own,
			err: "partition table is GPT, want MBR: convert a copy of the image with sgdisk --gpttombr=1:2"},
		"hybrid MBR": {table: pi + "start=1, size=2047, type=ee\n", contents: own,
			err: "partition table is GPT with a hybrid MBR, want MBR: convert a copy of the image with sgdisk --gpttombr=1:2"},
		"no table": {err: "image file has no partition table, want a raw disk image with an MBR"},
		"empty table": {table: "label: dos\n",
			err: "image file has no partition table, want a raw disk image with an MBR"},
		"cut in partition 2": {table: pi, size: 63, contents: own,
			err: "image ends at byte 66060288, within or before partition 2, which ends at 67108864: download the image again"},
		"cut in partition 3": {table: pi + "size=20480, type=83\n", size: 65, contents: own, drop: []uint32{3},
			err: "image ends at byte 68157440, within or before partition 3, which ends at 77594624: download the image again"},
		"sectors of 4096 bytes": {table: "label: dos\nstart=1024, size=10240, type=c\nstart=11264, size=5120, type=83\n", contents: own,
			err: "partition table counts sectors of 4096 bytes, want 512: the image is for another kind of disk"},
		"one partition": {table: "label: dos\nstart=8192, size=81920, type=c\n", contents: own, err: "partition 2 is missing, want ext4"},
		"NOOBS": {table: "label: dos\nstart=8192, size=81920, type=e\nstart=90112,size=172032,type=5\n/dev/x5 : start=92160,size=2048,type=83\n", contents: contents{4: "FAT32"},
			err: "partition 1 (type 0x0e FAT16, 40.0 MiB, holds FAT32): want type 0x0c"},
		"extended root": {table: "label: dos\nstart=8192, size=81920, type=c\nstart=90112,size=172032,type=5\n/dev/x5 : start=92160,size=2048,type=83\n",
			contents: contents{4: "FAT32"}, err: "partition 2 (type 0x05 extended, 84.0 MiB): want type 0x83"},
		"FAT16": {table: pi, contents: with(contents{4: "FAT16"}),
			err: "partition 1 (type 0x0c FAT32, 40.0 MiB, holds FAT16): want FAT32"},
		"exFAT": {table: pi, contents: with(contents{4: "exFAT"}),
			err: "partition 1 (type 0x0c FAT32, 40.0 MiB, holds exFAT): want FAT32"},
		"root of type swap": {table: "label: dos\nstart=8192, size=81920, type=c\nstart=90112, size=40960, type=82\n", contents: own,
			err: "partition 2 (type 0x82 Linux swap, 20.0 MiB, holds ext4): want type 0x83"},
		"btrfs": {table: pi, contents: with(contents{44: "btrfs"}),
			err: "partition 2 (type 0x83 Linux, 20.0 MiB, holds btrfs): want ext4"},
		"LUKS": {table: pi, contents: with(contents{44: "LUKS-2"}),
			err: "partition 2 (type 0x83 Linux, 20.0 MiB, holds LUKS (encrypted)): want ext4"},
		"ext3": {table: pi, contents: with(contents{44: "ext3"}),
			err: "partition 2 (type 0x83 Linux, 20.0 MiB, holds ext3): want ext4"},
	} {
		t.Run(name, func(t *testing.T) {
			size := max(test.size, 128)
			image := partitioned(t, size, test.table, test.contents)
			if test.size > 0 {
				require.NoError(t, image.Truncate(test.size<<20))
			}
			boot, root, err := bootable(image, test.drop)
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, partition{1, 0x0c, 4 << 20, 40 << 20}, boot)
			require.Equal(t, partition{2, 0x83, 44 << 20, 20 << 20}, root)
		})
	}
}

// Remains of an older file system can be in front of an ext4 and do no harm.
func TestRemainsInFrontOfTheRoot(t *testing.T) {
	image := partitioned(t, 128, pi, map[int64]string{4: "FAT32", 44: "ext4"})
	_, err := image.WriteAt(head(t, "NTFS")[:512], 44<<20)
	require.NoError(t, err)
	_, _, err = bootable(image, nil)
	require.NoError(t, err)
}

func TestFilesThatAreNoDiskImage(t *testing.T) {
	for name, what := range fileFormats {
		err := noTable(bytes.NewReader(head(t, name)))
		require.ErrorContains(t, err, "image file is "+what+", want a raw disk image with an MBR: ")
	}
	for _, name := range []string{"ext4", "FAT32", "ISO-9660", "squashfs"} {
		_, err := readPartitions(partitioned(t, 64, "", map[int64]string{0: name}))
		require.ErrorContains(t, err, " without a partition table, want a raw disk image with an MBR", name)
	}
	require.EqualError(t, noTable(bytes.NewReader([]byte("<!DOCTYPE html><html>"))),
		"image file is HTML, want a raw disk image with an MBR: download the file again")
}

// putEntry writes an entry of a partition table.
func putEntry(image []byte, table int64, i int, kind byte, start, size uint32) {
	e := image[table*sector+446+int64(i)*16:]
	e[4] = kind
	binary.LittleEndian.PutUint32(e[8:], start)
	binary.LittleEndian.PutUint32(e[12:], size)
	copy(image[table*sector+510:], "\x55\xaa")
}

func TestLogicalPartitionsInACircle(t *testing.T) {
	for _, size := range []uint32{0, 1} {
		image := make([]byte, 1<<20)
		putEntry(image, 0, 0, 5, 8, 1000)
		for _, table := range []int64{8, 16} {
			putEntry(image, table, 0, 0x83, 1, size)
			putEntry(image, table, 1, 5, 8, 1000)
		}
		f := partitioned(t, 1, "", nil)
		_, err := f.WriteAt(image, 0)
		require.NoError(t, err)
		_, err = readPartitions(f)
		require.EqualError(t, err, "partition 1 (extended) has more than 60 logical partitions")
	}
}

// FuzzPartitions reads any tables: nothing but the tables is needed, and the partitions that come out lie in the image
// and do not overlap.
func FuzzPartitions(f *testing.F) {
	image := make([]byte, 32*sector)
	putEntry(image, 0, 0, 0x0c, 1, 7)
	putEntry(image, 0, 1, 5, 8, 24)
	putEntry(image, 8, 0, 0x83, 1, 1)
	putEntry(image, 8, 1, 5, 8, 16)
	putEntry(image, 16, 0, 0x82, 1, 1)
	f.Add(image)
	f.Add(image[:16*sector])
	putEntry(image, 8, 1, 5, 0, 16)
	f.Add(image)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := os.Create(filepath.Join(t.TempDir(), "image"))
		require.NoError(t, err)
		defer file.Close()
		_, err = file.Write(data)
		require.NoError(t, err)
		all, err := readPartitions(file)
		if err != nil {
			return
		}
		for i, p := range all {
			require.True(t, p.start >= 0 && p.size > 0 && p.end() <= int64(len(data)), "%+v", p)
			require.Less(t, i, maxLogical+5)
		}
	})
}
