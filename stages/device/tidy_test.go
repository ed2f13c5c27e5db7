package device_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/transfer"
)

func TestTidy(t *testing.T) {
	const gib = 1 << 30
	for name, test := range map[string]struct {
		total  int64
		free   []int64 // before each question; the last one stays
		stages []int
		caches bool
	}{
		"enough is free":              {total: 64 * gib, free: []int64{2 * gib}, stages: []int{3}},
		"a small card":                {total: 8 * gib, free: []int64{gib}, stages: []int{3}},
		"the cache is enough":         {total: 64 * gib, free: []int64{gib, 2 * gib}, stages: []int{3}, caches: true},
		"one old stage is enough":     {total: 64 * gib, free: []int64{gib, gib, 2 * gib}, stages: []int{3, 5}, caches: true},
		"the device is full for good": {total: 64 * gib, free: []int64{0}, stages: []int{3, 5, 2}, caches: true},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := newDevice(t)
			put(t, d.Store, map[string]string{
				"forklift-stage-store.yml": "forklift-version: v0.7.0\n" +
					"staged: {next: 8, history: [5, 2, 4, 7, 8], names: {factory-reset: 1, mine: 4}}\n",
				"5/forklift-bundle.yml": bundle, "6/forklift-bundle.yml": bundle, "7/forklift-bundle.yml": bundle,
				"8/forklift-bundle.yml": bundle, "9/forklift-bundle.yml": bundle,
			})
			runs(t, d, 6) // by request, for one boot
			home := t.TempDir()
			put(t, home, map[string]string{"cache/git/x": "x"})
			asked := 0
			space := func(string) (transfer.Space, error) {
				asked++
				return transfer.Space{Total: test.total, Free: test.free[min(asked, len(test.free))-1]}, nil
			}
			tidied, err := d.Tidy(t.Context(), space, map[string]string{home: "cache", "/nonexistent": "cache"})
			require.NoError(t, err)
			require.Equal(t, test.stages, tidied.Stages)
			require.Equal(t, test.caches, len(tidied.Caches) == 1)
			if test.caches {
				require.NoDirExists(t, filepath.Join(home, "cache"))
			}
			for _, stage := range []string{"1", "4", "6", "7", "8", "9"} { // factory, named, running, fallback, current, newer
				require.DirExists(t, filepath.Join(d.Store, stage))
			}
		})
	}
}

// TestTidyImages removes the images of deleted stages, and none while another command adds images.
func TestTidyImages(t *testing.T) {
	d, fake := newDevice(t)
	put(t, d.Store, withApp(4))
	put(t, d.Store, map[string]string{"forklift-stage-store.yml": "forklift-version: v0.7.0\nstaged: {next: 3, history: [2, 3], names: {factory-reset: 1}}\n"})
	require.NoError(t, os.Rename(filepath.Join(d.Store, "3"), filepath.Join(d.Store, "5")))
	put(t, d.Store, map[string]string{"forklift-stage-store.yml": "forklift-version: v0.7.0\nstaged: {next: 5, history: [2, 5], names: {factory-reset: 1}}\n"})
	fake.images["docker.io/library/caddy:2"] = docker.Image{ID: "sha256:1", Os: "linux", Architecture: "arm64"}
	plenty := func(string) (transfer.Space, error) { return transfer.Space{Free: 1 << 50, Total: 1 << 50}, nil }
	unlock, err := atomicfile.Lock(t.Context(), filepath.Join(d.Store, ".images.lock"))
	require.NoError(t, err)
	var warnings []string
	d.Warn = func(err error) { warnings = append(warnings, err.Error()) }
	tidied, err := d.Tidy(t.Context(), plenty, nil)
	require.NoError(t, err)
	require.Equal(t, device.Tidied{Stages: []int{4}}, tidied)
	require.Equal(t, []string{"images stay until the next prune: another command adds images"}, warnings)
	require.NoError(t, unlock())
	tidied, err = d.Tidy(t.Context(), plenty, nil)
	require.NoError(t, err)
	require.Equal(t, device.Tidied{Images: []string{"docker.io/library/caddy:2"}}, tidied)
	require.Equal(t, "to keep space free, deleted stages: [], images: [docker.io/library/caddy:2], caches: []", tidied.String())
	require.Empty(t, device.Tidied{}.String())
}
