package tree_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// flagsOf returns the entries of a tree that have flags, as lsattr prints them.
func flagsOf(files *tree.Tree) map[string]string {
	flags := map[string]string{}
	for name, n := range files.Walk() {
		if n.Immutable {
			flags[name] += "i"
		}
		if n.AppendOnly {
			flags[name] += "a"
		}
	}
	return flags
}

var wantFlags = map[string]string{"both": "ia", "append": "a", "dir": "i"}

// setFlags does what chattr does, until the end of the test.
func setFlags(t *testing.T, name string, flags int) {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	before, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, before|flags)
	}
	t.Cleanup(func() {
		_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, before)
		require.NoError(t, f.Close())
	})
	if err != nil {
		needs.Unavailable(t, "needs root and a file system with file attributes: %v", err)
	}
}

func TestReadDirReadsFlags(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Mkdir(at("dir"), 0o755))
	for _, name := range []string{"both", "append", "plain"} {
		require.NoError(t, os.WriteFile(at(name), []byte("x"), 0o644))
	}
	require.NoError(t, os.Symlink("both", at("symlink")))
	const immutable, appendOnly = 0x10, 0x20 // FS_IMMUTABLE_FL, FS_APPEND_FL
	setFlags(t, at("dir"), immutable)
	setFlags(t, at("both"), immutable|appendOnly)
	setFlags(t, at("append"), appendOnly)
	files, err := tree.ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, wantFlags, flagsOf(files))
}

// The archive is bsdtar's, of files with chattr +i and +a.
func TestTarKeepsFlags(t *testing.T) {
	f, err := os.Open("testdata/bsdtar-flags.tar.gz")
	require.NoError(t, err)
	files, contents, err := tree.ReadArchive(t.Context(), f, t.TempDir())
	require.NoError(t, err)
	defer contents.Close()
	require.Equal(t, wantFlags, flagsOf(files))

	var out bytes.Buffer
	require.NoError(t, files.WriteTar(&out, time.Now()))
	again, err := tree.ReadTar(bytes.NewReader(out.Bytes()))
	require.NoError(t, err)
	require.Equal(t, wantFlags, flagsOf(again))

	digest := files.MetadataDigest()
	require.Equal(t, digest, again.MetadataDigest())
	again.Get("dir").Immutable = false
	require.NotEqual(t, digest, again.MetadataDigest())
	out.Reset()
	entries, err := again.WriteChanges(&out, files, time.Now())
	require.NoError(t, err)
	require.Equal(t, 4, entries, "the directory differs; files are always written")
}
