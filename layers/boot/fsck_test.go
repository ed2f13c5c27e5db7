package boot

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/internal/treetest"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// maxChecker is the budget of e2fsck in the initramfs, with its libraries, in bytes.
const maxChecker = 6_000_000

// The initramfs has all that e2fsck needs: it runs from there with the loader and the libraries of the archive only.
func TestChecker(t *testing.T) {
	host := needs.Program(t, "e2fsck")
	libraries, err := exec.Command(needs.Program(t, "ldd"), host).Output()
	require.NoError(t, err)
	below := treetest.New(t, "l lib usr/lib", "l lib64 usr/lib64")
	put := func(name, from string) {
		data, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, below.Put(name, &tree.Node{Type: tree.Regular, Mode: 0o755, Content: tree.Inline(string(data))}))
	}
	put(checker, host)
	for line := range strings.Lines(string(libraries)) {
		fields := strings.Fields(line)
		switch {
		case strings.Contains(line, "=>"):
			put("usr/lib/aarch64-linux-gnu/"+fields[0], fields[2])
		case strings.HasPrefix(fields[0], "/"):
			put("usr"+fields[0], fields[0])
		}
	}
	records, err := fsck(below)
	require.NoError(t, err)
	data, err := archive(records)
	require.NoError(t, err)
	require.Less(t, len(data), maxChecker)

	dir, loader := t.TempDir(), ""
	records, err = cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(data)))
	require.NoError(t, err)
	for _, r := range records {
		if r.Mode&cpio.S_IFMT != cpio.S_IFREG {
			continue
		}
		content := make([]byte, r.FileSize)
		_, err := r.ReadAt(content, 0)
		require.NoError(t, err)
		name := filepath.Join(dir, r.Name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, content, 0o755))
		if strings.HasPrefix(filepath.Base(name), "ld-linux") {
			loader = name
		}
	}
	require.FileExists(t, filepath.Join(dir, "etc/e2fsck.conf"))
	out, err := exec.Command(loader, "--library-path", filepath.Join(dir, "usr/lib/aarch64-linux-gnu"), filepath.Join(dir, "sbin/e2fsck"), "-V").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "e2fsck 1.")
}

func TestCheckerWithoutLibrary(t *testing.T) {
	data, err := os.ReadFile(needs.Program(t, "e2fsck"))
	require.NoError(t, err)
	below := treetest.New(t)
	require.NoError(t, below.Put(checker, &tree.Node{Type: tree.Regular, Content: tree.Inline(string(data))}))
	_, err = fsck(below)
	require.ErrorContains(t, err, "is missing or not a regular file")
	records, err := fsck(treetest.New(t))
	require.NoError(t, err)
	require.Empty(t, records, "a tree without e2fsck")
}
