package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// node makes a private device node.
func node(t *testing.T, mode, major, minor uint32) string {
	t.Helper()
	needs.Root(t)
	name := filepath.Join(t.TempDir(), "node")
	require.NoError(t, unix.Mknod(name, mode|0o600, int(unix.Mkdev(major, minor))))
	return name
}

// TestBlockDeviceIsRefused: the node is still a block device afterwards.
func TestBlockDeviceIsRefused(t *testing.T) {
	name := node(t, unix.S_IFBLK, 7, 250)
	_, err := create(t.Context(), t, name, newTree(t), layout, Options{})
	require.EqualError(t, err, "output "+name+" is a block device: write to a file, and then run: bmaptool copy FILE "+name+
		" (with --nobmap if there is no FILE.bmap)")
	info, err := os.Lstat(name)
	require.NoError(t, err)
	require.Equal(t, os.ModeDevice, info.Mode().Type())
}

// TestCharacterDevice: a private null device takes the stream and stays.
func TestCharacterDevice(t *testing.T) {
	name := node(t, unix.S_IFCHR, 1, 3)
	r, err := create(t.Context(), t, name, newTree(t), layout, Options{})
	require.NoError(t, err)
	require.Positive(t, r.Mapped)
	info, err := os.Lstat(name)
	require.NoError(t, err)
	require.Equal(t, os.ModeDevice|os.ModeCharDevice, info.Mode().Type())
	requireOnly(t, filepath.Dir(name), "node")
}

// TestSymlinkIsFollowed: the target and its side files are written, and the symlink stays.
func TestSymlinkIsFollowed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "images"), 0o755))
	name := filepath.Join(dir, "latest.img")
	require.NoError(t, os.Symlink("images/1.img", name))
	for range 2 {
		r, err := create(t.Context(), t, name, newTree(t), layout, Options{})
		require.NoError(t, err)
		require.Equal(t, r.SHA256, sumOf(t, filepath.Join(dir, "images/1.img")))
		requireOnly(t, dir, "images", "latest.img")
		requireOnly(t, filepath.Join(dir, "images"), "1.img", "1.img.bmap", "1.img.sha256")
	}
}

// TestPipe: a pipe gets the same bytes as a file, compressed or not.
func TestPipe(t *testing.T) {
	for c, program := range map[Compression]string{None: "cat", Gzip: "gzip", Zstd: "zstd", XZ: "xz"} {
		name := filepath.Join(t.TempDir(), "pipe")
		require.NoError(t, unix.Mkfifo(name, 0o600))
		args := []string{"-dc"}
		if c == None {
			args = nil
		}
		reader := exec.Command(needs.Program(t, program), args...)
		pipe, err := os.OpenFile(name, os.O_RDWR, 0) // so that neither end waits
		require.NoError(t, err)
		in, err := os.Open(name)
		require.NoError(t, err)
		reader.Stdin = in
		out, err := reader.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, reader.Start())
		sum := make(chan string)
		go func() {
			h := sha256.New()
			_, _ = io.Copy(h, out)
			sum <- hex.EncodeToString(h.Sum(nil))
		}()
		r, err := create(t.Context(), t, name, newTree(t), layout, Options{Compression: c})
		require.NoError(t, err)
		require.NoError(t, pipe.Close())
		require.Equal(t, r.SHA256, <-sum, program)
		require.NoError(t, reader.Wait())
		require.NoError(t, in.Close())
		requireOnly(t, filepath.Dir(name), "pipe")
	}
}

func TestCompressionOf(t *testing.T) {
	for name, want := range map[string]Compression{
		"pi.img": None, "pi": None, "pi.raw": None, "pi.img.gz": Gzip, "pi.IMG.GZ": Gzip, "pi.img.zst": Zstd, "pi.img.xz": XZ, "-": None,
	} {
		got, err := CompressionOf(name)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
	for name, want := range map[string]string{
		"pi.img.bz2":    "output pi.img.bz2: compression with bzip2 is not supported: choose .gz, .xz, .zst or no compression",
		"pi.zip":        "output pi.zip: compression with zip is not supported: choose .gz, .xz, .zst or no compression",
		"pi.img.lz4":    "output pi.img.lz4: compression with lz4 is not supported: choose .gz, .xz, .zst or no compression",
		"pi.tgz":        "output pi.tgz: a disk image is not a tar: choose .img.gz",
		"pi.tar.xz":     "output pi.tar.xz: a disk image is not a tar: choose .img.xz",
		"pi.tar":        "output pi.tar: a disk image is not a tar: choose .img",
		"pi.img.bmap":   "output pi.img.bmap: the block map is written beside the image: choose pi.img",
		"pi.img.sha256": "output pi.img.sha256: the checksum is written beside the image: choose pi.img",
		"pi.qcow2":      "output pi.qcow2: pkbuild writes raw images: choose pi.img, and then run: qemu-img convert -O qcow2 pi.img pi.qcow2",
		"pi.vmdk":       "output pi.vmdk: pkbuild writes raw images: choose pi.img, and then run: qemu-img convert -O vmdk pi.img pi.vmdk",
	} {
		_, err := CompressionOf(name)
		require.EqualError(t, err, want)
	}
	require.Equal(t, "pi.img.bmap", BlockMapName("pi.img"))
	require.Equal(t, "pi.img.bmap", BlockMapName("pi.img.gz"))
	require.Equal(t, "pi.img.bmap", BlockMapName("pi.img.ZST"))
}
