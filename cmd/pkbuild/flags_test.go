package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/images/layout"
)

func TestOutputName(t *testing.T) {
	for _, test := range []struct {
		output   string
		compress disk.Compression
		name     string
		method   disk.Compression
		err      string
	}{
		{"", disk.None, "pi.img", disk.None, ""},
		{"", disk.Zstd, "pi.img.zst", disk.Zstd, ""},
		{"out/x.img", disk.None, "out/x.img", disk.None, ""},
		{"out/x.img", disk.XZ, "out/x.img.xz", disk.XZ, ""},
		{"out/x.img.xz", disk.None, "out/x.img.xz", disk.XZ, ""},
		{"out/x.img.xz", disk.XZ, "out/x.img.xz", disk.XZ, ""},
		{"out/x.img.xz", disk.Zstd, "", "", "usage: --compress zstd contradicts the output out/x.img.xz"},
		{"out/", disk.None, "", "", "usage: -o out/ is a directory; write -o out/pi.img"},
		{"/", disk.Zstd, "", "", "usage: -o / is a directory; write -o /pi.img"},
		{"", "lzma", "", "", `usage: --compress is "lzma", want gzip, xz or zstd`},
		{"x.img.GZ", disk.None, "x.img.GZ", disk.Gzip, ""},
		{"x.img.bz2", disk.None, "", "", "usage: output x.img.bz2: compression with bzip2 is not supported: choose .gz, .xz, .zst or no compression"},
		{"-", disk.Zstd, "-", disk.Zstd, ""},
		{"/dev/null", disk.Gzip, "/dev/null", disk.Gzip, ""},
	} {
		name, method, err := outputName(test.output, "pi", test.compress)
		if test.err != "" {
			require.EqualError(t, err, test.err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, test.name, name)
		require.Equal(t, test.method, method)
	}
}

func TestCacheDir(t *testing.T) {
	t.Setenv("PKBUILD_CACHE", "/var/cache/pkbuild")
	dir, err := cacheDir("own")
	require.NoError(t, err)
	require.Equal(t, "own", filepath.Base(dir))
	require.True(t, filepath.IsAbs(dir))
	dir, err = cacheDir("")
	require.NoError(t, err)
	require.Equal(t, "/var/cache/pkbuild", dir)
	t.Setenv("PKBUILD_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", "/home/ann/.cache")
	dir, err = cacheDir("")
	require.NoError(t, err)
	require.Equal(t, "/home/ann/.cache/pkbuild", dir)
}

func TestContainerOutput(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for _, to := range []layout.Target{{Path: dir}, {Path: filepath.Join(dir, "new")}, {Archive: true, Path: file}} {
		require.NoError(t, checkContainerOutput(to))
	}
	require.EqualError(t, checkContainerOutput(layout.Target{Archive: true, Path: dir}),
		"usage: --output: "+dir+" is a directory; write a file, or oci:"+dir)
	require.EqualError(t, checkContainerOutput(layout.Target{Path: file}),
		"usage: --output: "+file+" is not a directory; write a directory, or oci-archive:"+file)
}

// TestSharedCacheMustExist: a typo in CI must not rebuild everything.
func TestSharedCacheMustExist(t *testing.T) {
	own, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for _, shared := range []string{"/nonexistent", file} {
		_, err := (&cacheFlags{own: own, shared: shared}).caches()
		require.EqualError(t, err, "usage: --shared-cache: "+shared+" is not a directory")
		t.Setenv("PKBUILD_SHARED_CACHE", shared)
		_, err = (&cacheFlags{own: own}).caches()
		require.EqualError(t, err, "usage: PKBUILD_SHARED_CACHE: "+shared+" is not a directory")
	}
	c, err := (&cacheFlags{own: own, shared: own}).caches()
	require.NoError(t, err)
	require.Equal(t, builder.Caches{Cache: own, Shared: own}, c)
}

func TestPrintChanges(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, printChanges(&out, []lock.Change{
		{Kind: "package", Name: "vim", Old: "1", New: "2", OldSize: 100, NewSize: 300},
		{Kind: "image", Name: "x", New: "abc"},
	}))
	require.Equal(t, "package vim: 1 → 2, +200 B\nimage x: added abc\n1 changed, 1 added, 0 removed, +200 B\n", out.String())
	out.Reset()
	require.NoError(t, printChanges(&out, nil))
	require.Equal(t, "no changes\n", out.String())
}

func TestPrintReasons(t *testing.T) {
	made := time.Now().Add(-time.Hour)
	var out bytes.Buffer
	require.NoError(t, printReasons(&out, []builder.Reasons{
		{Layer: "debian", Cached: true, Made: &made, Note: "not locked"},
		{Layer: "files", Reasons: []string{"/a: content differs", "/b added"}},
		{Layer: "run", Cached: true},
	}))
	require.Equal(t, "debian  built 1 hour ago  not locked\nfiles   to build          /a: content differs\n"+
		"                          /b added\nrun     cached            \n", out.String())
}

func TestPrintVerification(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, printVerification(&out, &builder.Verification{Same: true, SHA256: [2]string{"aa", "aa"}}))
	require.Equal(t, "the images are identical: SHA-256 aa\n", out.String())
	out.Reset()
	require.NoError(t, printVerification(&out, &builder.Verification{SHA256: [2]string{"aa", "bb"}, Images: []string{"first.img", "second.img"},
		Difference: &disk.Difference{Partition: "root", Path: "/etc/x", Field: "mode", Offset: -1, First: "0644", Second: "0600"}}))
	require.Equal(t, "the images differ: root partition: /etc/x: mode: 0644, then 0600\nfirst.img: SHA-256 aa\nsecond.img: SHA-256 bb\n", out.String())
}

func TestPrintPruned(t *testing.T) {
	now := time.Now()
	p := &builder.Pruned{Removed: []builder.CacheEntry{{Kind: "layer", Name: "debian", Size: 2048, Used: now.Add(-time.Hour)}, {Kind: "package", Name: "vim"}},
		InUse: []builder.CacheEntry{{}}, Freed: 2048, Left: 1024}
	var out bytes.Buffer
	require.NoError(t, printPruned(&out, p, true))
	require.Equal(t, "would remove layer debian, 2.0 KiB, used 1 hour ago\nwould remove 2 entries, 2.0 KiB; 1.0 KiB left\n"+
		"kept 1 entries that a running build may use; prune again after it\n", out.String())
}

func TestMkext4Options(t *testing.T) {
	for name, test := range map[string]struct {
		flags mkext4
		epoch string
		err   string
	}{
		"no output": {mkext4{free: "1MiB"}, "", "usage: -o FILE is missing"},
		"free":      {mkext4{output: "x", free: "much"}, "", `usage: --free: "much" is not a size; write one in B, KiB, MiB, GiB or TiB, such as 512MiB`},
		"size":      {mkext4{output: "x", free: "1MiB", size: "0"}, "", "usage: --size is 0, want a positive size such as 512MiB"},
		"label":     {mkext4{output: "x", free: "1MiB", label: "a label of 17 by."}, "", `usage: --label "a label of 17 by." is longer than 16 bytes`},
		"uuid":      {mkext4{output: "x", free: "1MiB", uuid: "7"}, "", `usage: --uuid "7" is not a UUID such as 6ba7b811-9dad-11d1-80b4-00c04fd430c8`},
		"epoch":     {mkext4{output: "x", free: "1MiB"}, "now", `usage: SOURCE_DATE_EPOCH "now" is not a number of seconds`},
		"directory": {mkext4{output: "/", free: "1MiB"}, "", "usage: output / is a directory: name a file in it"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.flags.options("tree", test.epoch)
			require.EqualError(t, err, test.err)
		})
	}
	o, err := mkext4{output: filepath.Join(t.TempDir(), "x"), free: "1MiB", size: "2GiB", label: "root"}.options("tree", "5")
	require.NoError(t, err)
	require.Equal(t, int64(2<<30), o.Size)
	require.Equal(t, time.Unix(5, 0), o.Now)
}
