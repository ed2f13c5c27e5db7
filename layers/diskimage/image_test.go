package diskimage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/mbr"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

var latest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	bootStart, bootSize = 8192, 40 << 11 // sectors: 4 MiB, and 40 MiB, of which small clusters make a FAT32
	rootSize            = 16 << 11
)

func tool(t *testing.T, name string, args ...string) {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	needs.Program(t, name)
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
}

// files writes files to a new directory.
func files(t *testing.T, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range contents {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(content), 0o644))
	}
	return dir
}

// vendorImage makes an image with the layout of Raspberry Pi OS, with standard tools.
func vendorImage(t *testing.T) string {
	t.Helper()
	boot, root := filepath.Join(t.TempDir(), "boot"), filepath.Join(t.TempDir(), "root")
	tool(t, "mkfs.vfat", "-C", "-F32", "-s1", "-nbootfs", boot, fmt.Sprint(bootSize/2))
	from := files(t, map[string]string{
		"config.txt": "dtparam=audio=on\n", "kernel8.img": string(bytes.Repeat([]byte("kernel8 "), 200_000)), "empty": "",
		"overlays/a-long-name-of-an-overlay.dtbo": "overlay", "overlays/UPPER.TXT": "upper",
	})
	tool(t, "mcopy", "-s", "-i", boot, from+"/config.txt", from+"/kernel8.img", from+"/overlays", from+"/empty", "::")
	tree := files(t, map[string]string{"etc/rpi-issue": "Raspberry Pi reference 2026-06-18\n", "boot/firmware/hidden": "by the mount"})
	require.NoError(t, os.Remove(filepath.Join(tree, "boot/firmware/hidden")))
	tool(t, "mke2fs", "-qt", "ext4", "-d", tree, root, fmt.Sprint(rootSize/2))

	image := filepath.Join(t.TempDir(), "vendor.img")
	f, err := os.Create(image)
	require.NoError(t, err)
	table := &mbr.Table{LogicalSectorSize: sector, PhysicalSectorSize: sector, Partitions: []*mbr.Partition{
		{Type: mbr.Fat32LBA, Start: bootStart, Size: bootSize}, {Type: mbr.Linux, Start: bootStart + bootSize, Size: rootSize},
	}}
	w, err := file.New(f, false).Writable()
	require.NoError(t, err)
	require.NoError(t, table.Write(w, 0))
	for name, at := range map[string]int64{boot: bootStart * sector, root: (bootStart + bootSize) * sector} {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		_, err = (&sparse{f: f, at: at}).Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, f.Truncate((bootStart+bootSize+rootSize)*sector))
	require.NoError(t, f.Close())
	return image
}

func digest(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func testEnv(t *testing.T) *layers.Env {
	return &layers.Env{Dir: "/", Cache: t.TempDir(), Latest: latest}
}

func requireTree(t *testing.T, tree *tree.Tree) {
	t.Helper()
	for name, want := range map[string]string{
		"etc/rpi-issue":            "Raspberry Pi reference 2026-06-18\n",
		"boot/firmware/config.txt": "dtparam=audio=on\n", "boot/firmware/empty": "",
		"boot/firmware/kernel8.img":                             string(bytes.Repeat([]byte("kernel8 "), 200_000)),
		"boot/firmware/overlays/a-long-name-of-an-overlay.dtbo": "overlay",
	} {
		got, err := tree.ReadFile(name)
		require.NoError(t, err)
		require.True(t, want == string(got), name)
	}
	for name, n := range tree.Walk() {
		require.False(t, n.ModTime.After(latest), "%s is younger than the image", name)
	}
	require.Nil(t, tree.Get("lost+found"))
	_, refers := tree.Get("etc/rpi-issue").Content.ReaderAt.(*os.File)
	require.True(t, refers, "content was copied")
}

func TestLayer(t *testing.T) {
	image := vendorImage(t)
	for name, compress := range map[string][]string{"raw": nil, "xz": {"xz", "-0"}, "zstd": {"zstd", "-q"}, "gzip": {"gzip", "-1"}, "bzip2": {"bzip2", "-1"}} {
		t.Run(name, func(t *testing.T) {
			published := filepath.Join(t.TempDir(), "published")
			require.NoError(t, os.Link(image, published))
			if compress != nil {
				needs.Program(t, compress[0])
				out, err := exec.Command(compress[0], append(compress[1:], "-c", image)...).Output()
				require.NoError(t, err)
				require.NoError(t, os.Remove(published))
				require.NoError(t, os.WriteFile(published, out, 0o644))
			}
			l := Layer{Source: published, SHA256: digest(t, published)}
			env := testEnv(t)
			var last layers.Progress
			env.Progress = func(p layers.Progress) { last = p }
			tree, err := l.Make(t.Context(), env, nil)
			require.NoError(t, err)
			requireTree(t, tree)
			require.Equal(t, layers.Progress{Message: "unpacking published", Done: last.Total, Total: last.Total}, last)

			inCache := filepath.Join(Dir(env.Cache), l.SHA256+".img")
			require.Equal(t, digest(t, image), digest(t, inCache))
			info, err := os.Stat(inCache)
			require.NoError(t, err)
			require.Less(t, diskUsage(t, inCache), info.Size()/4, "zeroes are not holes")

			require.NoError(t, os.Remove(published))
			tree, err = l.Make(t.Context(), env, nil)
			require.NoError(t, err, "image in the cache")
			requireTree(t, tree)
		})
	}
}

func diskUsage(t *testing.T, name string) (bytes int64) {
	t.Helper()
	out, err := exec.Command("du", "--block-size=1", name).Output()
	require.NoError(t, err)
	_, err = fmt.Sscan(string(out), &bytes)
	require.NoError(t, err)
	return bytes
}

func TestDownload(t *testing.T) {
	image := vendorImage(t)
	var ranges []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		http.ServeFile(w, r, image)
	}))
	defer server.Close()
	env := testEnv(t)
	data, err := os.ReadFile(image)
	require.NoError(t, err)
	// The download resumes where a killed build stopped.
	require.NoError(t, os.MkdirAll(Dir(env.Cache), 0o755))
	l := Layer{Source: server.URL + "/vendor.img", SHA256: digest(t, image)}
	require.NoError(t, os.WriteFile(l.download(env)+".part", data[:5000], 0o644))
	tree, err := l.Make(t.Context(), env, nil)
	require.NoError(t, err)
	requireTree(t, tree)
	require.Equal(t, []string{"bytes=5000-"}, ranges)
	left, err := filepath.Glob(Dir(env.Cache) + "/*")
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(Dir(env.Cache), l.SHA256+".img")}, left, "the download is removed when it is unpacked")
}

func TestErrors(t *testing.T) {
	image := vendorImage(t)
	data, err := os.ReadFile(image)
	require.NoError(t, err)
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	change := func(at int, to ...byte) func() []byte {
		return func() []byte { b := bytes.Clone(data); copy(b[at:], to); return b }
	}
	const entry = 446 // the first in the partition table
	for name, test := range map[string]struct {
		image  func() []byte
		source string
		sha256 string
		err    string
	}{
		"no such file":   {source: "/nonexistent.img", err: "open /nonexistent.img: no such file or directory"},
		"another digest": {sha256: "00", err: "SOURCE has SHA-256 " + digest(t, image) + ", want 00"},
		"not found":      {source: server.URL + "/x.img", err: "download " + server.URL + "/x.img: server answered 404 Not Found"},
		"no table":       {image: change(510, 0, 0), err: "read SOURCE: image file has no partition table, want a raw disk image with an MBR"},
		"zip":            {image: change(0, []byte("PK\x03\x04")...), err: "disk image SOURCE is a zip archive: unzip it, or compress it with xz"},
		"broken xz":      {image: change(0, []byte("\xfd7zXZ\x00")...), err: "unpack SOURCE: exit status 1\nxz: (stdin): Compressed data is corrupt"},
		"no FAT":         {image: change(entry+4, 0x07), err: "read SOURCE: partition 1 (type 0x07 NTFS or exFAT, 40.0 MiB, holds FAT32): want type 0x0c"},
		"no root":        {image: change(entry+16+4, 0x82), err: "read SOURCE: partition 2 (type 0x82 Linux swap, 16.0 MiB, holds ext4): want type 0x83"},
		"too short": {image: func() []byte { return data[:len(data)-1] },
			err: "read SOURCE: image ends at byte 62914559, within or before partition 2, which ends at 62914560: download the image again"},
		"no ext4": {image: change((bootStart+bootSize)*sector+1024+0x38, 0), err: "read SOURCE: partition 2: no ext4 superblock at byte 46138368: magic number is 0xef00, want 0xef53"},
	} {
		t.Run(name, func(t *testing.T) {
			source := filepath.Join(t.TempDir(), "source")
			content := data
			if test.image != nil {
				content = test.image()
			}
			require.NoError(t, os.WriteFile(source, content, 0o644))
			l := Layer{Source: source, SHA256: digest(t, source)}
			if test.source != "" {
				l.Source = test.source
			}
			if test.sha256 != "" {
				l.SHA256 = test.sha256
			}
			_, err := l.Make(t.Context(), testEnv(t), nil)
			require.ErrorContains(t, err, string(bytes.ReplaceAll([]byte(test.err), []byte("SOURCE"), []byte(source))))
		})
	}
}

func TestCancelled(t *testing.T) {
	image := vendorImage(t)
	env := testEnv(t)
	ctx, cancel := context.WithCancel(t.Context())
	env.Progress = func(layers.Progress) { cancel() }
	l := Layer{Source: image, SHA256: digest(t, image)}
	_, err := l.Make(ctx, env, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.NoFileExists(t, filepath.Join(Dir(env.Cache), l.SHA256+".img"))
	env.Progress = nil
	tree, err := l.Make(t.Context(), env, nil)
	require.NoError(t, err, "leftovers of the canceled build")
	requireTree(t, tree)
}

func TestThirdPartition(t *testing.T) {
	image := vendorImage(t)
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	require.NoError(t, err)
	const end = bootStart + bootSize + rootSize
	entry := []byte{4: 0x83, 8: end & 0xff, 9: end >> 8 & 0xff, 10: end >> 16, 12: 0x00, 13: 0x08, 15: 0}
	_, err = f.WriteAt(entry, 446+2*16)
	require.NoError(t, err)
	require.NoError(t, f.Truncate((end+0x800)*sector))
	require.NoError(t, f.Close())
	l := Layer{Source: image, SHA256: digest(t, image)}
	_, err = l.Make(t.Context(), testEnv(t), nil)
	require.EqualError(t, err, "read "+image+": partition 3 (type 0x83 Linux, 1.0 MiB) would be missing from the new image, "+
		"which has partitions 1 and 2 of a base: if that is intended, add drop-partitions: [3] to base.image of the recipe")
	l.Drop = []uint32{3}
	files, err := l.Make(t.Context(), testEnv(t), nil)
	require.NoError(t, err)
	requireTree(t, files)
}
