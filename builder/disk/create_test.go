package disk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// sumOf returns the SHA-256 of a file.
func sumOf(t *testing.T, name string) string {
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	require.NoError(t, err)
	return hex.EncodeToString(h.Sum(nil))
}

func TestSumsAndBlockMap(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "disk.img")
	d, err := Prepare(newTree(t), layout)
	require.NoError(t, err)
	var reports []int64
	r, err := d.Create(t.Context(), name, Options{Progress: func(done, total int64) {
		require.Equal(t, d.Mapped(), total)
		reports = append(reports, done)
	}})
	require.NoError(t, err)
	require.IsIncreasing(t, reports)
	require.Greater(t, len(reports), 8)
	require.Equal(t, Result{Size: d.Size(), Mapped: r.Mapped, SHA256: sumOf(t, name)}, r)
	require.LessOrEqual(t, r.Mapped, d.Mapped())
	require.Less(t, d.Mapped()-r.Mapped, int64(2<<20), "Mapped is known before writing")

	cmd := exec.Command("sha256sum", "--check", "--strict", "disk.img.sha256")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "disk.img: OK\n", string(out))

	// A card with other contents.
	card := filepath.Join(dir, "card")
	require.NoError(t, os.WriteFile(card, []byte(strings.Repeat("x", int(r.Size))), 0o600))
	tool(t, "bmaptool", "copy", name, card)
	requireSound(t, card)
	tool(t, "fsck.vfat", "-n", part(t, card, align, bootSize))
	requireOnly(t, dir, "card", "disk.img", "disk.img.bmap", "disk.img.sha256")
}

// requireSound requires that e2fsck finds no error in the root partition.
func requireSound(t *testing.T, disk string) {
	t.Helper()
	tool(t, "e2fsck", "-fn", fmt.Sprintf("%s?offset=%d", disk, align+bootSize))
}

func requireOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	require.Equal(t, names, got)
}

// TestBlockMapIsChecked: bmaptool detects damage of an image and of its block map.
func TestBlockMapIsChecked(t *testing.T) {
	name, err := write(t.Context(), t, newTree(t))
	require.NoError(t, err)
	card := filepath.Join(t.TempDir(), "card")
	bmaptool := func() string {
		out, err := exec.Command("bmaptool", "copy", name, card).CombinedOutput()
		require.Error(t, err)
		return string(out)
	}
	tool(t, "bmaptool", "copy", name, card)
	flip(t, name, align+bootSize+1024+0x38)
	require.Contains(t, bmaptool(), "checksum mismatch for blocks range")
	flip(t, name, align+bootSize+1024+0x38)
	bmap, err := os.ReadFile(name + ".bmap")
	require.NoError(t, err)
	flip(t, name+".bmap", int64(bytes.Index(bmap, []byte("chksum=")))+10)
	require.Contains(t, bmaptool(), "checksum mismatch")
}

// flip changes a byte of a file.
func flip(t *testing.T, name string, at int64) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{b[0] ^ 1}, at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestCompressed(t *testing.T) {
	name, err := write(t.Context(), t, newTree(t))
	require.NoError(t, err)
	bmap, err := os.ReadFile(name + ".bmap")
	require.NoError(t, err)
	for c, program := range map[Compression]string{Gzip: "gzip", Zstd: "zstd", XZ: "xz"} {
		t.Run(program, func(t *testing.T) {
			var sums []string
			for _, threads := range []int{1, 3} {
				dir := t.TempDir()
				packed := filepath.Join(dir, "disk.img"+c.Suffix())
				r, err := create(t.Context(), t, packed, newTree(t), layout, Options{Compression: c, Threads: threads})
				require.NoError(t, err)
				require.Equal(t, sumOf(t, name), r.SHA256)
				sums = append(sums, sumOf(t, packed))
				line, err := os.ReadFile(packed + ".sha256")
				require.NoError(t, err)
				require.Equal(t, sums[0]+"  disk.img"+c.Suffix()+"\n", string(line))
				same, err := os.ReadFile(filepath.Join(dir, "disk.img.bmap"))
				require.NoError(t, err)
				require.Equal(t, string(bmap), string(same))
				requireOnly(t, dir, "disk.img.bmap", "disk.img"+c.Suffix(), "disk.img"+c.Suffix()+".sha256")
				if threads > 1 {
					continue
				}
				tool(t, program, "-d", "-k", "-q", packed)
				require.Equal(t, r.SHA256, sumOf(t, filepath.Join(dir, "disk.img")))
				tool(t, program, "--test", packed)
				require.NoError(t, os.Remove(filepath.Join(dir, "disk.img")))
				card := filepath.Join(t.TempDir(), "card")
				tool(t, "bmaptool", "copy", packed, card)
				requireSound(t, card)
			}
			require.Equal(t, sums[0], sums[1], "the number of threads changes bytes")
		})
	}
}

func TestSize(t *testing.T) {
	smallest, err := Prepare(newTree(t), layout)
	require.NoError(t, err)
	needs := smallest.Size()
	for _, c := range []struct{ size, want int64 }{
		{needs, needs}, {needs + align - 1, needs}, {needs + align, needs + align}, {320 << 20, 320 << 20}, {needs - 1, 0}, {1, 0},
	} {
		l := layout
		l.Size = c.size
		d, err := Prepare(newTree(t), l)
		if c.want == 0 {
			require.EqualError(t, err, fmt.Sprintf("disk of %s is too small for its partitions, which need %s (boot 256 MiB, "+
				"root %s with 8.0 MiB free): increase disk.size, or decrease what is in it",
				size(c.size/align*align), size(needs), size(needs-bootSize-align)))
			continue
		}
		require.NoError(t, err)
		name := filepath.Join(t.TempDir(), "disk.img")
		r, err := d.Create(t.Context(), name, Options{})
		require.NoError(t, err)
		require.Equal(t, c.want, r.Size)
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, c.want, info.Size())
		requireSound(t, name)
	}
}

// TestInterrupted: a cancelled build leaves the previous files and no others.
func TestInterrupted(t *testing.T) {
	for _, c := range []Compression{None, Gzip, Zstd, XZ} {
		dir := t.TempDir()
		name := filepath.Join(dir, "disk.img")
		old := []string{"disk.img", "disk.img.bmap", "disk.img.sha256"}
		for _, file := range old {
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte("old"), 0o600))
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err := create(ctx, t, name, newTree(t), layout, Options{Compression: c, Progress: func(done, total int64) {
			if done > total/2 {
				cancel()
			}
		}})
		require.ErrorIs(t, err, context.Canceled)
		requireOnly(t, dir, old...)
		for _, file := range old {
			data, err := os.ReadFile(filepath.Join(dir, file))
			require.NoError(t, err)
			require.Equal(t, "old", string(data))
		}
	}
}

// smallDisk returns a directory on a file system of a size in bytes.
func smallDisk(t *testing.T, size int64) string {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		needs.Unavailable(t, "mounting needs root: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	return dir
}

func TestFullDiskIsToldBefore(t *testing.T) {
	dir := smallDisk(t, 4<<20)
	d, err := Prepare(newTree(t), layout)
	require.NoError(t, err)
	_, err = d.Create(t.Context(), filepath.Join(dir, "disk.img"), Options{Progress: func(int64, int64) { t.Fatal("a byte was written") }})
	require.EqualError(t, err, "the image needs "+size(d.Mapped())+", and "+dir+" has 4.0 MiB free: make room, or write it elsewhere")
	requireOnly(t, dir)
}

// TestFullDiskInTheMiddle fills the disk while the image is written.
func TestFullDiskInTheMiddle(t *testing.T) {
	for _, c := range []Compression{None, Zstd} {
		dir := smallDisk(t, 64<<20)
		noise := newTree(t)
		random := make([]byte, 8<<20)
		f, err := os.Open("/dev/urandom")
		require.NoError(t, err)
		_, err = io.ReadFull(f, random)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.NoError(t, noise.Put("noise", &tree.Node{Type: tree.Regular, Content: tree.Inline(random)}))
		d, err := Prepare(noise, layout)
		require.NoError(t, err)
		other := filepath.Join(dir, "other")
		_, err = d.Create(t.Context(), filepath.Join(dir, "disk.img"), Options{Compression: c, Progress: func(done, _ int64) {
			if _, err := os.Stat(other); err != nil {
				fill(t, other)
			}
		}})
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.ErrorContains(t, err, "no space left on device: the image needs up to "+size(d.Mapped())+", and the output's file system had 64 MiB free at the start")
		requireOnly(t, dir, "other")
	}
}

// fill uses up all free space.
func fill(t *testing.T, name string) {
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 1<<20))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
}
