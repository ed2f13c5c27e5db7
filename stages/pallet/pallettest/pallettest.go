// Package pallettest gives tests the real pallets and the bundles that Forklift made of them. They are not part of the
// repository but lie in ../shared beside the checkout.
package pallettest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// Entry is a file of a bundle in a listing by find -printf '%y %m %s %p\t%l\n': type, mode, size and link target.
type Entry struct {
	Kind   string // f, d or l
	Mode   string // octal
	Size   string // in bytes
	Target string // of a link
}

// Listing reads a recorded listing of a bundle, made with the find command in Entry, from ../shared, and returns its
// entries by path. Sizes may differ from the files, some of which are placeholders.
func Listing(t *testing.T, name string) map[string]Entry {
	t.Helper()
	data, err := os.ReadFile(needs.Shared(t, name))
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
	require.NoError(t, os.CopyFS(dir, os.DirFS(needs.Shared(t, "pallets/pallet-standard"))))
	for path, entry := range Listing(t, "golden/pallet-standard/bundle-tree.txt") {
		if name, ours := strings.CutPrefix(path, "pallet/"); ours && entry.Kind == "l" {
			require.NoError(t, os.Remove(filepath.Join(dir, name)))
			require.NoError(t, os.Symlink(entry.Target, filepath.Join(dir, name)))
		}
	}
}
