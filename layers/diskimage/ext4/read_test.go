package ext4

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// What the reader makes of sound file systems is tested in layers/ext4, beside the writer.

// small is a file system with a directory, a file and a symlink.
func small(tb testing.TB) []byte {
	mke2fs, err := exec.LookPath("mke2fs")
	if err != nil {
		mke2fs = "/usr/sbin/mke2fs"
	}
	dir := tb.TempDir()
	require.NoError(tb, os.Mkdir(filepath.Join(dir, "d"), 0o755))
	require.NoError(tb, os.WriteFile(filepath.Join(dir, "d/file"), bytes.Repeat([]byte("file "), 1000), 0o644))
	require.NoError(tb, os.Symlink("d/file", filepath.Join(dir, "link")))
	image := filepath.Join(tb.TempDir(), "image")
	out, err := exec.Command(mke2fs, "-qt", "ext4", "-O", "^has_journal,^resize_inode", "-b", "1024", "-N", "32", "-d", dir,
		image, "128").CombinedOutput()
	if t, ok := tb.(*testing.T); ok && errors.Is(err, os.ErrNotExist) {
		needs.Program(t, "mke2fs")
	}
	require.NoError(tb, err, string(out))
	data, err := os.ReadFile(image)
	require.NoError(tb, err)
	return data
}

func read(ctx context.Context, image []byte) (*tree.Tree, error) {
	return Read(ctx, bytes.NewReader(image), 0, int64(len(image)))
}

func TestErrors(t *testing.T) {
	good := small(t)
	_, err := read(t.Context(), good)
	require.NoError(t, err)
	for want, change := range map[string]func(image []byte){
		"no ext4 file system":                             func(b []byte) { b[superblockAt+0x38] = 0 },
		"incompatible features 0x10000 are not supported": func(b []byte) { b[superblockAt+0x62] = 1 },
		"it was not unmounted: its journal needs replaying; mount it once, or run e2fsck": func(b []byte) {
			b[superblockAt+0x60] |= byte(needsReplay)
		},
		"256 blocks of 1024 bytes do not fit in 131072 bytes": func(b []byte) { le.PutUint32(b[superblockAt+4:], 256) },
		"the superblock contradicts itself":                   func(b []byte) { le.PutUint32(b[superblockAt+0x28:], 0) },
		"block size 2^7 KiB":                                  func(b []byte) { b[superblockAt+0x18] = 7 },
	} {
		bad := bytes.Clone(good)
		change(bad)
		_, err := read(t.Context(), bad)
		require.EqualError(t, err, want)
	}
	_, err = read(t.Context(), good[:1500])
	require.EqualError(t, err, "superblock: EOF")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = read(ctx, good)
	require.ErrorIs(t, err, context.Canceled)
}

// FuzzRead changes bytes of a file system. Whatever comes of it, reading ends.
func FuzzRead(f *testing.F) {
	good := small(f)
	f.Add(uint32(superblockAt), []byte{1, 2, 3})
	fs, err := open(bytes.NewReader(good), 0, int64(len(good)))
	require.NoError(f, err)
	for number := uint32(2); number < 16; number += 3 {
		at := uint32(fs.at(fs.tables[0])) + (number-1)*uint32(fs.inodeSize)
		f.Add(at, []byte{0xff})
		f.Add(at+0x28, []byte{0x0a, 0xf3, 4, 0, 4, 0, 1})
		f.Add(at+0x80, []byte{0xff, 0x7f})
	}
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		bad := bytes.Clone(good)
		copy(bad[int64(at)%int64(len(bad)):], change)
		files, err := read(t.Context(), bad)
		if err != nil {
			return
		}
		for _, n := range files.Walk() {
			if n.Type == tree.Regular {
				_, _ = io.CopyN(io.Discard, n.Content.Reader(), 1<<20)
			}
		}
	})
}
