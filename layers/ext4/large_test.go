package ext4

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// TestLargeDirectories writes a directory with an htree of two levels, and one with more subdirectories than its link
// count holds.
func TestLargeDirectories(t *testing.T) {
	t.Parallel()
	const entries, subdirectories = 200_000, maxLinks + 1
	files := tree.New()
	fifo := func() *tree.Node { return &tree.Node{Type: tree.Fifo, Mode: 0o600} }
	for i := range entries {
		put(t, files, fmt.Sprintf("entries/an entry with a name that is long enough %d", i), fifo())
	}
	for i := range subdirectories {
		put(t, files, fmt.Sprintf("subdirectories/%d", i), &tree.Node{Mode: 0o700})
	}
	s, err := surveyTree(files, testOptions)
	require.NoError(t, err)
	leaves := s.inodes[s.numbers[files.Get("entries")]].dir.leaves(s.hashSeed)
	require.Greater(t, len(leaves), rootLimit, "the htree has one level only")

	image := writeImage(t, files, testOptions)
	fsck(t, image)
	want := describeTree(t, files)
	requireReaderSees(t, image, want) // before it is mounted
	m := mountImage(t, image, "noatime")
	requireSame(t, want, describeDir(t, m.dir, false))
	for i := range 100 {
		name := filepath.Join(m.dir, "entries", fmt.Sprintf("a new entry with a name that is long enough %d", i))
		require.NoError(t, os.WriteFile(name, nil, 0o600))
		require.NoError(t, os.Mkdir(filepath.Join(m.dir, "subdirectories", fmt.Sprintf("new-%d", i)), 0o700))
	}
	m.unmount()
	m.requireQuiet()
	fsck(t, image)
}

// TestOneBlockOrMore writes directories around the size from which on they are indexed.
func TestOneBlockOrMore(t *testing.T) {
	const names = (dirSpace - 24) / 16
	files := tree.New()
	for extra := range 4 { // the last one gets an index, of one leaf
		for i := range names - 2 + extra {
			put(t, files, fmt.Sprintf("%d/%08d", names-2+extra, i), &tree.Node{Type: tree.Fifo})
		}
	}
	s, err := surveyTree(files, testOptions)
	require.NoError(t, err)
	for extra, blocks := range []int64{1, 1, 1, 2} {
		in := s.inodes[s.numbers[files.Get(fmt.Sprint(names-2+extra))]]
		require.Equal(t, blocks*blockSize, in.size, "%d entries", names-2+extra)
	}
	image := writeImage(t, files, testOptions)
	fsck(t, image)
	requireKernelSees(t, image, describeTree(t, files))
}

// TestHalfMD4 compares with debugfs.
func TestHalfMD4(t *testing.T) {
	image := writeImage(t, tree.New(), testOptions)
	for _, name := range []string{
		"a", "abc", "abcd", "etc", strings.Repeat("x", 31), strings.Repeat("x", 32), strings.Repeat("x", 33),
		strings.Repeat("0123456789", 25), strings.Repeat("n", maxName), "ä",
	} {
		d := debugfs{t: t, image: image}
		seed := testOptions.UUID
		uuid := fmt.Sprintf("%x-%x-%x-%x-%x", seed[:4], seed[4:6], seed[6:8], seed[8:10], seed[10:])
		answer := d.run([]string{"dx_hash -h half_md4 -s " + uuid + " " + name})[0]
		if name == "ä" { // whose bytes debugfs takes as signed
			require.NotContains(t, answer, fmt.Sprintf("is 0x%08x", halfMD4(name, seed)))
			continue
		}
		require.Contains(t, answer, fmt.Sprintf("is 0x%08x", halfMD4(name, seed)), name)
	}
}

func TestHasSuper(t *testing.T) {
	var groups []uint32
	for g := range uint32(2500) {
		if hasSuper(g) {
			groups = append(groups, g)
		}
	}
	require.Equal(t, []uint32{0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243, 343, 625, 729, 2187, 2401}, groups)
}
