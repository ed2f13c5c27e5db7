package pallet

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/stages/pallet/pallettest"
)

// goldenTree returns the listing of a bundle that Forklift wrote. Directories have no size.
func goldenTree(t *testing.T, name string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for path, e := range pallettest.Listing(t, name) {
		all[path] = describe(e.Kind, e.Mode, e.Size, e.Target)
	}
	return all
}

func describe(kind, mode, size, target string) string {
	if kind != "f" {
		size = "-"
	}
	return strings.Join([]string{kind, mode, size, target}, " ")
}

// treeOf returns the same listing of a Bundle.
func treeOf(t *testing.T, b *Bundle) map[string]string {
	t.Helper()
	all := map[string]string{ManifestFile: "f 644 - "}
	for _, f := range b.Files {
		kind := map[fs.FileMode]string{0: "f", fs.ModeDir: "d", fs.ModeSymlink: "l"}[f.Mode.Type()]
		all[f.Path] = describe(kind, fmt.Sprintf("%o", f.Mode.Perm()), fmt.Sprint(len(contentOf(t, f))), f.Target)
	}
	return all
}

// contentOf returns the content of a file.
func contentOf(t *testing.T, f File) string {
	t.Helper()
	if f.Source == "" {
		return string(f.Content)
	}
	data, err := os.ReadFile(f.Source)
	require.NoError(t, err)
	return string(data)
}

// without returns a listing without some entries.
func without(tree map[string]string, out func(name string) bool) map[string]string {
	tree = maps.Clone(tree)
	maps.DeleteFunc(tree, func(name, _ string) bool { return out(name) })
	return tree
}

// goldenManifest returns a manifest that Forklift wrote, as text and decoded.
func goldenManifest(t *testing.T, name string) (string, Manifest) {
	t.Helper()
	data, err := os.ReadFile(needs.Shared(t, name))
	require.NoError(t, err)
	m, err := ParseManifest(data)
	require.NoError(t, err)
	return string(data), m
}

func manifestOf(t *testing.T, b *Bundle) Manifest {
	t.Helper()
	m, err := ParseManifest(b.Manifest)
	require.NoError(t, err)
	return m
}

func TestMinimalExampleIsAsForkliftBundlesIt(t *testing.T) {
	text, want := goldenManifest(t, "golden/minimal/forklift-bundle.yml")
	dir := needs.Shared(t, "pallets/pallet-example-minimal")
	b := bundleOf(t, dir, Options{Version: want.Pallet.Version, Clean: want.Pallet.Clean})
	require.Equal(t, text, string(b.Manifest))
	notShared := func(name string) bool { return strings.Contains(name, "/.github") || name == ManifestFile }
	tree := goldenTree(t, "golden/minimal/bundle-tree.txt")
	require.Equal(t, without(tree, notShared), without(treeOf(t, b), notShared))
	require.Equal(t, goldenText(t, "golden/minimal/plan.txt"), planText(t, dir))
}

// standIn is a Downloader that returns the same file for every download.
type standIn string

func (s standIn) Fetch(_ context.Context, d Download) (dir, name string, err error) {
	return string(s), d.Source, nil
}

// TestStandardPalletIsAsForkliftBundlesIt compares the bundle of a large pallet with Forklift's. Its export from a
// container image is a stand-in, symlinks are restored, and sizes differ for placeholders.
func TestStandardPalletIsAsForkliftBundlesIt(t *testing.T) {
	text, want := goldenManifest(t, "golden/pallet-standard/forklift-bundle.yml")
	golden := goldenTree(t, "golden/pallet-standard/bundle-tree.txt")
	dir := t.TempDir()
	pallettest.Standard(t, dir)
	download := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(download, "machine-name"), nil, 0o755))

	b := bundleOf(t, dir, Options{
		Version: want.Pallet.Version, Clean: want.Pallet.Clean, Downloads: standIn(download),
	})
	require.Equal(t, text, string(b.Manifest))
	notShared := func(name string) bool { return strings.Contains(name, "/.github") }
	require.Equal(t, withoutSizes(without(golden, notShared)), withoutSizes(without(treeOf(t, b), notShared)))

	exports := goldenTree(t, "golden/pallet-standard/exports-tree.txt")
	ours := map[string]string{}
	for name, entry := range treeOf(t, b) {
		if name, ok := strings.CutPrefix(name, exportsDir+"/"); ok {
			ours[name] = entry
		}
	}
	require.Equal(t, withoutSizes(exports), withoutSizes(ours))
}

func withoutSizes(tree map[string]string) map[string]string {
	all := map[string]string{}
	for name, entry := range tree {
		fields := strings.SplitN(entry, " ", 4)
		all[name] = describe(fields[0], fields[1], "-", fields[3])
	}
	return all
}

func TestOverlaysExample(t *testing.T) {
	b := bundleOf(t, needs.Shared(t, "pallets/pallet-example-overlays"), Options{})
	const units = "overlays/etc/systemd/system/"
	require.Equal(t, []string{
		"overlays",
		"overlays/etc",
		"overlays/etc/hostname",
		"overlays/etc/systemd",
		"overlays/etc/systemd/system",
		units + "hello-world.service",
		units + "multi-user.target.wants",
		units + "multi-user.target.wants/hello-world.service",
	}, pathsBelow(b, exportsDir))
	require.Equal(t, map[string]ManifestExports{
		"hello-hostname": {File: []string{"overlays/etc/hostname"}},
		"hello-service": {File: []string{
			units + "hello-world.service", units + "multi-user.target.wants/hello-world.service",
		}},
	}, manifestOf(t, b).Exports)
}

// TestRealPalletsThatNeedMore checks the errors for pallets with downloads and requirements that are not available.
func TestRealPalletsThatNeedMore(t *testing.T) {
	p, err := Read(needs.Shared(t, "pallets/pallet-standard"))
	require.NoError(t, err)
	_, err = p.Bundle(t.Context(), Options{})
	require.EqualError(t, err, needs.Shared(t, "pallets/pallet-standard/packages/core/host/machine-name")+
		"/forklift-package.yml:34:22: export overlays/usr/bin/machine-name of deployment "+
		"host/machine-name is from a container image (ghcr.io/planktoscope/machine-name:0.1.3): downloads are not available here")
	_, err = Read(needs.Shared(t, "pallets/pallet-segmenter"))
	require.ErrorContains(t, err, "requirements/repositories/github.com/PlanktoScope/device-pkgs/"+
		"forklift-version-lock.yml:4:9: requirement github.com/PlanktoScope/device-pkgs: "+
		"required pallets cannot be downloaded here")
}

// goldenText returns the content of a file in ../shared.
func goldenText(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(needs.Shared(t, name))
	require.NoError(t, err)
	return string(data)
}

// planText returns the plan of a pallet as Forklift prints it.
func planText(t *testing.T, dir string) string {
	t.Helper()
	p, err := Read(dir)
	require.NoError(t, err)
	var b strings.Builder
	b.WriteString("Determining and ordering package deployment changes...\nOrdering relationships:\n")
	order := p.Plan()
	require.Nil(t, order.Cycle())
	for _, name := range slices.Sorted(maps.Keys(order)) {
		after := "after nothing"
		if len(order[name]) > 0 {
			after = "after: [(add " + strings.Join(order[name], ") (add ") + ")]"
		}
		fmt.Fprintf(&b, "  (add %s) %s\n", name, after)
	}
	return b.String()
}

func TestStandardPalletListings(t *testing.T) {
	p, err := Read(needs.Shared(t, "pallets/pallet-standard"))
	require.NoError(t, err)
	require.NoError(t, p.Check().Err())
	require.Equal(t, goldenText(t, "golden/pallet-standard/plan.txt"), planText(t, p.Dir))
	images, err := p.Images(t.Context())
	require.NoError(t, err)
	for name, list := range map[string][]string{
		"ls-depl": p.DeploymentNames(), "ls-feat": p.FeatureNames(), "ls-pkg": p.PackagePaths(),
		"ls-img": images, "ls-dl": p.Downloads(),
	} {
		require.Equal(t, goldenText(t, "golden/pallet-standard/"+name+".txt"), strings.Join(list, "\n")+"\n", name)
	}
	notShared := func(name string) bool { return strings.HasPrefix(name, ".github/") }
	files := slices.DeleteFunc(strings.Fields(goldenText(t, "golden/pallet-standard/ls-file.txt")), notShared)
	require.Equal(t, files, p.Files())
}
