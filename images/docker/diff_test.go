package docker

import (
	"archive/tar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/tartest"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// readEntries returns the layer of an archive with entries.
func readEntries(t *testing.T, archive []byte) (*tree.Tree, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "layer")
	require.NoError(t, os.WriteFile(name, archive, 0o644))
	f, err := os.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	root, err := readDiff(f)
	return &tree.Tree{Root: root}, err
}

// The cases are the rows of the table in docs/containers.md.
func TestReadDiff(t *testing.T) {
	uid := func(h *tar.Header) { h.Uid = 7 }
	for name, c := range map[string]struct {
		entries []tartest.Entry
		want    []string // without the root, which always is the same
	}{
		"a whiteout":                        {[]tartest.Entry{tartest.File("a/.wh.b", "").With(uid)}, []string{"0755 0:0 /a/", "0000 7:0 /a/b 0:0"}},
		"a whiteout that is a directory":    {[]tartest.Entry{tartest.Dir("a/.wh.b"), tartest.File("a/.wh.b/c", "x")}, []string{"0755 0:0 /a/", "0000 0:0 /a/b 0:0"}},
		"a whiteout of a file that is here": {[]tartest.Entry{tartest.File(".wh.a", ""), tartest.File("a", "x")}, []string{`0644 0:0 /a "x"`}},
		"the same, the file first":          {[]tartest.Entry{tartest.File("a", "x"), tartest.File(".wh.a", "")}, []string{`0644 0:0 /a "x"`}},
		"a whiteout of a directory that is here": {
			[]tartest.Entry{tartest.File(".wh.a", ""), tartest.Dir("a"), tartest.File("a/b", "x")}, []string{"0755 0:0 /a/ map[trusted.overlay.opaque:y]", `0644 0:0 /a/b "x"`},
		},
		"an opaque directory": {
			[]tartest.Entry{tartest.File("a/.wh..wh..opq", ""), tartest.Dir("a").With(func(h *tar.Header) { h.Mode = 0o700 })},
			[]string{"0700 0:0 /a/ map[trusted.overlay.opaque:y]"},
		},
		"a whiteout of a whiteout's name": {[]tartest.Entry{tartest.File(".wh..wh.a", "")}, []string{"0000 0:0 /.wh.a 0:0"}},
		"attributes": {
			[]tartest.Entry{tartest.Symlink("a", "b").With(func(h *tar.Header) {
				h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "1", "SCHILY.xattr.trusted.y": "2", "SCHILY.xattr.system.nfs4_acl": "3"}
			})},
			[]string{"0777 0:0 /a -> b map[trusted.y:2]"},
		},
		"links out":             {[]tartest.Entry{tartest.Symlink("a", "../../../etc/passwd"), tartest.Symlink("b", "/etc")}, []string{"0777 0:0 /a -> ../../../etc/passwd", "0777 0:0 /b -> /etc"}},
		"a path through a link": {[]tartest.Entry{tartest.Dir("usr"), tartest.Symlink("lib", "/usr"), tartest.File("lib/x", "x")}, []string{"0777 0:0 /lib -> /usr", "0755 0:0 /usr/", `0644 0:0 /usr/x "x"`}},
		"no entries":            {nil, nil},
	} {
		got, err := readEntries(t, archiveOf(t, c.entries...))
		require.NoError(t, err, name)
		require.Equal(t, append([]string{"0755 0:0 //"}, c.want...), describe(t, got), name)
	}
	got, err := readEntries(t, archiveOf(t, tartest.File(".wh..wh..opq", ""), tartest.Dir(".").With(uid)))
	require.NoError(t, err)
	require.Equal(t, []string{"0755 0:0 // map[trusted.overlay.opaque:y]"}, describe(t, got), "a whiteout of all")
	got, err = readEntries(t, nil)
	require.NoError(t, err, "no bytes at all")
	require.Len(t, describe(t, got), 1)
}

func TestReadDiffErrors(t *testing.T) {
	for want, entries := range map[string][]tartest.Entry{
		`tar entry ".wh." is a whiteout without a file name`:                                     {tartest.File(".wh.", "")},
		`tar entry "a/.wh.." is a whiteout without a file name`:                                  {tartest.File("a/.wh..", "")},
		`tar entry ".wh..." is a whiteout without a file name`:                                   {tartest.File(".wh...", "")},
		`tar entry "../a": path "../a" contains ".."`:                                            {tartest.File("../a", "")},
		`tar entry "a": hard link: path "../../etc/passwd" contains ".."`:                        {tartest.Link("a", "../../etc/passwd")},
		`tar entry "a": hard link to "/etc/passwd", which is not an earlier file of the archive`: {tartest.Link("a", "/etc/passwd")},
		`tar entry "a/b": put a/b: /a is a symlink to /etc, not to a directory of the tree`:      {tartest.Symlink("a", "/etc"), tartest.File("a/b", "")},
		`tar entry "a": a regular file cannot take the place of a directory that is not empty`:   {tartest.File("a/b", ""), tartest.File("a", "")},
	} {
		_, err := readEntries(t, archiveOf(t, entries...))
		require.EqualError(t, err, want)
	}
	_, err := readEntries(t, archiveOf(t, tartest.File("a", strings.Repeat("x", 2000)))[:2600])
	require.EqualError(t, err, `tar entry "a": archive ends after 1064 of 2000 bytes of content`)
}

func TestSparseFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o644))
	require.NoError(t, os.Truncate(filepath.Join(dir, "a"), 1<<40))
	for _, format := range []string{"gnu", "posix"} {
		archive, err := exec.Command("tar", "--create", "--sparse", "--format", format, "--directory", dir, "a").Output()
		require.NoError(t, err)
		_, err = readEntries(t, archive)
		require.EqualError(t, err, "/a is a sparse file, which Docker cannot save again: create the archive without --sparse", format)
	}
}

func TestTimes(t *testing.T) {
	early := time.Unix(-5, 0)
	got, err := readEntries(t, archiveOf(t, tartest.File("a", "").With(func(h *tar.Header) { h.ModTime = early }),
		tartest.Symlink("b", "a").With(func(h *tar.Header) { h.ModTime = early }), tartest.File("c", "")))
	require.NoError(t, err)
	require.True(t, got.Get("a").ModTime.Equal(time.Unix(0, 0)))
	require.True(t, got.Get("b").ModTime.Equal(early))
	require.True(t, got.Get("c").ModTime.Equal(tartest.Written()), "to the nanosecond")
	require.True(t, got.Root.ModTime.IsZero(), "time of the root")
}

func TestSize(t *testing.T) {
	got, err := readEntries(t, archiveOf(t, tartest.File("a", "12345"), tartest.Link("b", "a"), tartest.Symlink("c", "ab"), tartest.File(".wh.d", "")))
	require.NoError(t, err)
	require.Equal(t, int64(7), sizeOf(got.Root))
}
