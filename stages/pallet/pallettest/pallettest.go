// Package pallettest gives tests access to real pallets and to Forklift's output for them, which are in ../shared beside
// the repository.
package pallettest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// Shared returns the absolute path of a file or directory of ../shared. If it is missing, the test is skipped, or fails if
// PKBUILD_TEST_STRICT is set.
func Shared(t *testing.T, name string) string {
	t.Helper()
	root, err := filepath.Abs(".")
	require.NoError(t, err)
	for _, err = os.Stat(filepath.Join(root, "go.mod")); err != nil && root != "/"; _, err = os.Stat(filepath.Join(root, "go.mod")) {
		root = filepath.Dir(root)
	}
	name = filepath.Join(filepath.Dir(root), "shared", name)
	if _, err := os.Stat(name); err != nil {
		needs.Unavailable(t, "%v", err)
	}
	return name
}

// Entry is a line of the listing of a bundle by find -printf '%y %m %s %p\t%l\n'.
type Entry struct {
	Kind   string // f, d or l
	Mode   string // octal
	Size   string // in bytes
	Target string // of a link
}

// Listing reads a listing in ../shared, by path. Sizes may differ from the files, some of which are placeholders.
func Listing(t *testing.T, name string) map[string]Entry {
	t.Helper()
	data, err := os.ReadFile(Shared(t, name))
	require.NoError(t, err)
	all := map[string]Entry{}
	for line := range strings.Lines(string(data)) {
		entry, target, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		fields := strings.SplitN(entry, " ", 4)
		require.Len(t, fields, 4, line)
		if path := strings.TrimPrefix(fields[3], "./"); path != "" && path != "." {
			all[path] = Entry{fields[0], fields[1], fields[2], target}
		}
	}
	require.NotEmpty(t, all)
	return all
}

// Standard copies PlanktoScope's pallet-standard to a directory, with symlinks where the copy in ../shared has text files.
func Standard(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.CopyFS(dir, os.DirFS(Shared(t, "pallets/pallet-standard"))))
	for path, entry := range Listing(t, "golden/pallet-standard/bundle-tree.txt") {
		if name, ours := strings.CutPrefix(path, "pallet/"); ours && entry.Kind == "l" {
			require.NoError(t, os.Remove(filepath.Join(dir, name)))
			require.NoError(t, os.Symlink(entry.Target, filepath.Join(dir, name)))
		}
	}
}
