package builder

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers"
)

// filled returns a cache after a build, with packages and leftovers of a killed build that are older than the layers.
func filled(t *testing.T) (*Plan, options, Cache) {
	t.Helper()
	p, o := small(t)
	_, err := run(t, t.Context(), p, o)
	require.NoError(t, err)
	for i, name := range []string{"debs/aa.deb", "debs/aa.control.tar", "debs/aa.data.tar", "debs/bb.deb.part", "apt/trixie-1-arm64/list",
		"scratch/" + layers.Key{1}.String() + "/files/x", "layers/" + layers.Key{2}.String() + ".tar.tmp", "images/cc.img",
		"blobs/" + blob, "images/" + blob + ".img.part"} {
		name = filepath.Join(o.Cache, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, make([]byte, 100_000), 0o644))
		at := time.Date(2026, 1, 1, i, 0, 0, 0, time.UTC)
		require.NoError(t, os.Chtimes(name, at, at))
	}
	return p, o, Cache{o.Cache}
}

func names(entries []CacheEntry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Kind+" "+e.Name)
	}
	slices.Sort(out)
	return out
}

// blob is a digest in the form of a cache key.
var blob = layers.Key{3}.String()

var (
	leftovers = []string{"leftover " + layers.Key{1}.String(), "leftover " + layers.Key{2}.String(), "leftover " + blob, "leftover bb"}
	useful    = []string{"blob " + blob, "image cc", "layer base", "layer files", "lists trixie-1-arm64", "package aa"}
)

func TestCacheList(t *testing.T) {
	_, _, c := filled(t)
	entries, err := c.List()
	require.NoError(t, err)
	require.ElementsMatch(t, slices.Concat(useful, leftovers), names(entries))
	require.Equal(t, "package aa", entries[0].Kind+" "+entries[0].Name, "the least recently used comes first")
	for _, e := range entries {
		require.Positive(t, e.Size, e.Name)
		require.False(t, e.Used.Before(e.Made.Truncate(time.Second)), e.Name)
		_, err := os.Stat(filepath.Join(c.Dir, e.File))
		require.NoError(t, err)
		if e.Kind == "package" {
			require.GreaterOrEqual(t, e.Size, int64(300_000), "all three files count")
		}
		if e.Kind == "layer" {
			require.Equal(t, "files", e.Of)
			require.WithinDuration(t, time.Now(), e.Made, time.Hour)
		}
	}
	none, err := Cache{filepath.Join(t.TempDir(), "none")}.List()
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestPruneRemovesLeftovers(t *testing.T) {
	p, o, c := filled(t)
	dry, err := c.Prune(t.Context(), -1, true)
	require.NoError(t, err)
	require.Equal(t, leftovers, names(dry.Removed))
	pruned, err := c.Prune(t.Context(), -1, false)
	require.NoError(t, err)
	require.Equal(t, dry, pruned)
	require.Empty(t, pruned.InUse)
	entries, err := c.List()
	require.NoError(t, err)
	require.Equal(t, useful, names(entries))
	left := int64(0)
	for _, e := range entries {
		left += e.Size
	}
	require.Equal(t, left, pruned.Left)
	locks, err := filepath.Glob(filepath.Join(o.Cache, "layers/*.lock"))
	require.NoError(t, err)
	require.Empty(t, locks)
	o.Output += ".2" // the first one is not written again
	ended, err := run(t, t.Context(), p, o)
	require.NoError(t, err)
	require.Contains(t, ended, "base cached")
}

func TestPruneKeepsTheMostRecentlyUsed(t *testing.T) {
	_, o, c := filled(t)
	_, err := c.Prune(t.Context(), -1, false)
	require.NoError(t, err)
	pruned, err := c.Prune(t.Context(), 250_000, false)
	require.NoError(t, err)
	require.Equal(t, []string{"lists trixie-1-arm64", "package aa"}, names(pruned.Removed))
	require.LessOrEqual(t, pruned.Left, int64(250_000))
	require.NoFileExists(t, filepath.Join(o.Cache, "debs/aa.data.tar"))
	pruned, err = c.Prune(t.Context(), 0, false)
	require.NoError(t, err)
	require.Equal(t, useful[:4], names(pruned.Removed))
	require.Zero(t, pruned.Left)
}

// TestPruneBesideABuild prunes at every step of a build, which succeeds.
func TestPruneBesideABuild(t *testing.T) {
	p, o, c := filled(t)
	want, err := os.ReadFile(o.Output)
	require.NoError(t, err)
	o.Output += ".2" // the first one is not written again
	var removed, kept []string
	o.Events = func(Event) {
		pruned, err := c.Prune(t.Context(), 0, false)
		require.NoError(t, err)
		removed = append(removed, names(pruned.Removed)...)
		kept = names(pruned.InUse)
	}
	require.NoError(t, buildImage(t.Context(), p, o))
	got, err := os.ReadFile(o.Output)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Contains(t, removed, "layer base")
	require.Contains(t, removed, leftovers[0], "its layer is not being made")
	unlocked := []string{"blob " + blob, "image cc", "leftover " + blob, "leftover bb", "lists trixie-1-arm64", "package aa"}
	require.Equal(t, unlocked, kept, "no lock tells who uses them")
	require.FileExists(t, filepath.Join(o.Cache, "debs/aa.deb"))
}

func TestPruneKeepsALayerThatIsBeingBuilt(t *testing.T) {
	_, o, c := filled(t)
	unlock, err := c.store().TryLock(layers.Key{1})
	require.NoError(t, err)
	defer func() { require.NoError(t, unlock()) }()
	pruned, err := c.Prune(t.Context(), -1, false)
	require.NoError(t, err)
	require.Equal(t, leftovers[:1], names(pruned.InUse))
	require.FileExists(t, filepath.Join(o.Cache, "scratch", layers.Key{1}.String(), "files/x"))
}
