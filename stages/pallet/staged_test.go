package pallet

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/stages/pallet/compose"
)

// TestWriteAndReadBundle writes the bundle of a real pallet twice, compares, and reads it.
func TestWriteAndReadBundle(t *testing.T) {
	p, err := Read(needs.Shared(t, "pallets/pallet-standard"))
	require.NoError(t, err)
	download := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(download, "machine-name"), []byte("x"), 0o755))
	dir := t.TempDir()
	for _, name := range []string{"1", "2"} {
		b := bundleOf(t, p.Dir, Options{Downloads: standIn(download)})
		require.NoError(t, b.Write(t.Context(), filepath.Join(dir, name)))
	}
	first, err := Sum(filepath.Join(dir, "1"))
	require.NoError(t, err)
	second, err := Sum(filepath.Join(dir, "2"))
	require.NoError(t, err)
	require.Equal(t, first, second, "the same bytes")

	m, staged, err := ReadBundle(t.Context(), filepath.Join(dir, "1"))
	require.NoError(t, err)
	require.NoError(t, staged.Check().Err())
	require.Equal(t, p.Plan(), staged.Plan())
	apps, err := staged.Apps(t.Context())
	require.NoError(t, err)
	want := map[string]*compose.App{}
	for name, e := range m.Exports {
		if e.ComposeApp != nil {
			want[name] = e.ComposeApp
		}
	}
	require.Len(t, want, 16)
	for name, app := range want {
		got := apps[name]
		require.Equal(t, app.Images, got.Images, name)
		require.Equal(t, app.CreatedBindMounts, sliceOrNil(got.CreatedBindMounts), name)
	}
	require.Equal(t, "packages/packages/core/apps/grafana", staged.Deployments[3].Package.BundleDir())
	require.DirExists(t, filepath.Join(dir, "1", "packages/packages/core/apps/grafana"))
}

func sliceOrNil(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	return s
}

func TestWriteLeavesNothingHalf(t *testing.T) {
	b := bundleOf(t, write(t, sound), Options{})
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.EqualError(t, b.Write(ctx, filepath.Join(dir, "1")), "write bundle: context canceled")
	b.Files = append(b.Files, File{Path: "z", Mode: 0o644, Source: filepath.Join(dir, "missing")})
	require.ErrorContains(t, b.Write(t.Context(), filepath.Join(dir, "1")), "missing: no such file or directory")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestReadBundleMistakes(t *testing.T) {
	for name, test := range map[string]struct{ manifest, want string }{
		"no package": {"deploys: {a: {package: /packages/x}}\n",
			"M:1:1: package /packages/x does not exist: P/packages/packages/x/forklift-package.yml is missing"},
		"outside": {"deploys: {a: {package: /../../x}}\n", `M:1:1: package "/../../x" of deployment a `},
		"broken":  {"deploys: [", "read bundle P: forklift-bundle.yml: yaml: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "-- forklift-bundle.yml --\nforklift-version: v0.7.0\n"+test.manifest)
			_, _, err := ReadBundle(t.Context(), dir)
			require.ErrorContains(t, shortened(dir, err), test.want)
		})
	}
	_, _, err := ReadBundle(t.Context(), write(t, sound))
	require.ErrorContains(t, err, "/forklift-bundle.yml: no such file or directory")
}
