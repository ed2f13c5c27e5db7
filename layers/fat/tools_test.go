package fat

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

var testOptions = Options{
	Size: 40 << 20, Label: "bootfs", Serial: 0xcafebabe, Now: time.Date(2026, 1, 1, 12, 30, 15, 0, time.UTC),
}

func put(t *testing.T, files *tree.Tree, name string, n *tree.Node) {
	t.Helper()
	require.NoError(t, files.Put(name, n))
}

func regular(content string) *tree.Node {
	return &tree.Node{Type: tree.Regular, Mode: readMode, ModTime: testOptions.Now.Add(-time.Second), Content: tree.Inline(content)}
}

// files makes a tree of paths; each file holds its path.
func files(t *testing.T, names ...string) *tree.Tree {
	t.Helper()
	out := tree.New()
	for _, name := range names {
		put(t, out, name, regular(name))
	}
	return out
}

// write writes a tree over an image full of other bytes, where all is read that is not written.
func write(t *testing.T, files *tree.Tree, o Options) string {
	t.Helper()
	fs, err := Prepare(files, o)
	require.NoError(t, err)
	image := filepath.Join(t.TempDir(), "fat")
	f, err := os.Create(image)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(fs.Size()))
	require.NoError(t, fs.Write(t.Context(), &strictWriter{t: t, File: f}, 0))
	return image
}

// strictWriter requires whole blocks in ascending order.
type strictWriter struct {
	*os.File
	t    *testing.T
	next int64
}

func (w *strictWriter) WriteAt(b []byte, offset int64) (int, error) {
	require.Zero(w.t, offset%blockSize)
	require.Zero(w.t, len(b)%blockSize)
	require.GreaterOrEqual(w.t, offset, w.next)
	w.next = offset + int64(len(b))
	return w.File.WriteAt(b, offset)
}

// tool runs a program that must end with exit code 0, and returns what it prints.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(needs.Program(t, name), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC", "MTOOLS_SKIP_CHECK=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", cmd, out)
	return string(out)
}

// fsck requires that fsck.vfat has nothing to say about an image.
func fsck(t *testing.T, image string) {
	t.Helper()
	require.Regexp(t, `^fsck\.fat \S+ \(\S+\)\n\S+: \d+ files, \d+/\d+ clusters\n$`, tool(t, "fsck.vfat", "-n", image))
}

// listing maps the paths of files to their contents, and directories to "directory".
type listing map[string]string

func listTree(t *testing.T, files *tree.Tree) listing {
	t.Helper()
	out := listing{}
	for name, n := range files.Walk() {
		out[name] = "directory"
		if n.Type == tree.Regular {
			data, err := files.ReadFile(name)
			require.NoError(t, err)
			out[name] = content(data)
		}
	}
	return out
}

// content is short, so that differences can be read.
func content(data []byte) string { return fmt.Sprintf("%d bytes %.8x", len(data), sha256.Sum256(data)) }

func listDir(t *testing.T, dir string) listing {
	t.Helper()
	out := listing{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if name == "." {
			name = ""
		}
		out[name] = "directory"
		if !d.IsDir() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			out[name] = content(data)
		}
		return nil
	}))
	return out
}

// shownByMtools replaces characters outside the BMP by two underscores, as mtools does.
func shownByMtools(name string) string {
	for _, r := range name {
		if r > 0xffff {
			name = strings.ReplaceAll(name, string(r), "__")
		}
	}
	return name
}

// requireSameForMtools requires that mtools reads the files of a tree from an image.
func requireSameForMtools(t *testing.T, files *tree.Tree, image string) {
	t.Helper()
	want := listing{}
	for name, is := range listTree(t, files) {
		want[shownByMtools(name)] = is
	}
	dir := t.TempDir()
	tool(t, "mcopy", "-s", "-n", "-i", image, "::/", dir)
	require.Equal(t, want, listDir(t, dir))
}

func readImage(t *testing.T, image string) (*tree.Tree, error) {
	t.Helper()
	f, err := os.Open(image)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	require.NoError(t, err)
	return Read(t.Context(), f, 0, info.Size())
}
