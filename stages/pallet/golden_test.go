package pallet

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// shared is where real pallets, and the bundles that Forklift made of them, lie beside the repository.
const shared = "../../../shared"

// sharedFile is the path of a file or directory of shared.
func sharedFile(t *testing.T, name string) string {
	t.Helper()
	name = filepath.Join(shared, name)
	if _, err := os.Stat(name); err != nil {
		if os.Getenv("PKBUILD_TEST_STRICT") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return name
}

// goldenTree is what find -printf '%y %m %s %p\t%l\n' printed of a bundle of Forklift's. Directories have no size.
func goldenTree(t *testing.T, name string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(sharedFile(t, name))
	require.NoError(t, err)
	all := map[string]string{}
	for l := range strings.Lines(string(data)) {
		entry, target, _ := strings.Cut(strings.TrimSuffix(l, "\n"), "\t")
		fields := strings.SplitN(entry, " ", 4)
		if name, ok := strings.CutPrefix(fields[3], "./"); ok {
			all[name] = describe(fields[0], fields[1], fields[2], target)
		}
	}
	return all
}

func describe(kind, mode, size, target string) string {
	if kind != "f" {
		size = "-"
	}
	return strings.Join([]string{kind, mode, size, target}, " ")
}

// treeOf is the same of one of our bundles.
func treeOf(t *testing.T, b *Bundle) map[string]string {
	t.Helper()
	all := map[string]string{ManifestFile: "f 644 - "}
	for _, f := range b.Files {
		kind := map[fs.FileMode]string{0: "f", fs.ModeDir: "d", fs.ModeSymlink: "l"}[f.Mode.Type()]
		all[f.Path] = describe(kind, fmt.Sprintf("%o", f.Mode.Perm()), fmt.Sprint(len(contentOf(t, f))), f.Target)
	}
	return all
}

// contentOf is what the file will have in it.
func contentOf(t *testing.T, f File) string {
	t.Helper()
	if f.Source == "" {
		return string(f.Content)
	}
	data, err := os.ReadFile(f.Source)
	require.NoError(t, err)
	return string(data)
}

// without leaves out entries.
func without(tree map[string]string, out func(name string) bool) map[string]string {
	tree = maps.Clone(tree)
	maps.DeleteFunc(tree, func(name, _ string) bool { return out(name) })
	return tree
}

// goldenManifest is a manifest of Forklift's in so far as we record the same.
func goldenManifest(t *testing.T, name string) manifest {
	t.Helper()
	data, err := os.ReadFile(sharedFile(t, name))
	require.NoError(t, err)
	var m manifest
	require.NoError(t, yaml.Unmarshal(data, &m))
	maps.DeleteFunc(m.Exports, func(_ string, e manifestExports) bool { return len(e.File) == 0 })
	return m
}

func manifestOf(t *testing.T, b *Bundle) manifest {
	t.Helper()
	m := manifest{Exports: map[string]manifestExports{}}
	require.NoError(t, yaml.Unmarshal(b.Manifest, &m))
	return m
}

func TestMinimalExampleIsAsForkliftBundlesIt(t *testing.T) {
	want := goldenManifest(t, "golden/minimal/forklift-bundle.yml")
	b := bundleOf(t, sharedFile(t, "pallets/pallet-example-minimal"), Options{want.Pallet.Version, want.Pallet.Clean})
	require.Equal(t, want, manifestOf(t, b))
	golden, err := os.ReadFile(sharedFile(t, "golden/minimal/forklift-bundle.yml"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(golden), string(b.Manifest)), "Forklift's goes on with compose apps")
	notShared := func(name string) bool { return strings.Contains(name, "/.github") || name == ManifestFile }
	tree := goldenTree(t, "golden/minimal/bundle-tree.txt")
	require.Equal(t, without(tree, notShared), without(treeOf(t, b), notShared))
}

// TestStandardPalletIsAsForkliftBundlesIt bundles a large pallet. Its one export from a container image is made a local
// file, links are restored where the copy has their text instead, and sizes differ in the placeholders.
func TestStandardPalletIsAsForkliftBundlesIt(t *testing.T) {
	const machineName = "packages/core/host/machine-name"
	want := goldenManifest(t, "golden/pallet-standard/forklift-bundle.yml")
	golden := goldenTree(t, "golden/pallet-standard/bundle-tree.txt")
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(sharedFile(t, "pallets/pallet-standard"))))
	restoreLinks(t, dir, golden)
	declaration := filepath.Join(dir, machineName, packageFile)
	data, err := os.ReadFile(declaration)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(declaration, 0o644))
	local := strings.Replace(string(data), "source-type: oci-image", "source-type: local", 1)
	require.NoError(t, os.WriteFile(declaration, []byte(local), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, machineName, "machine-name"), nil, 0o755))

	b := bundleOf(t, dir, Options{want.Pallet.Version, want.Pallet.Clean})
	require.Equal(t, want, manifestOf(t, b))
	ours := func(name string) bool {
		return strings.Contains(name, "/.github") || strings.HasSuffix(name, machineName+"/machine-name")
	}
	require.Equal(t, withoutSizes(without(golden, ours)), withoutSizes(without(treeOf(t, b), ours)))
}

// restoreLinks makes links of those files of a pallet that are links in its bundle.
func restoreLinks(t *testing.T, dir string, golden map[string]string) {
	t.Helper()
	for name, entry := range golden {
		name, ok := strings.CutPrefix(name, palletDir+"/")
		target, link := strings.CutPrefix(entry, "l 777 - ")
		if !ok || !link {
			continue
		}
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
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
	b := bundleOf(t, sharedFile(t, "pallets/pallet-example-overlays"), Options{})
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
	require.Equal(t, map[string]manifestExports{
		"hello-hostname": {File: []string{"overlays/etc/hostname"}},
		"hello-service": {File: []string{
			units + "hello-world.service", units + "multi-user.target.wants/hello-world.service",
		}},
	}, manifestOf(t, b).Exports)
}

// TestRealPalletsThatNeedMore has what this version says of pallets that it cannot bundle yet.
func TestRealPalletsThatNeedMore(t *testing.T) {
	_, err := Read(sharedFile(t, "pallets/pallet-standard"))
	require.EqualError(t, err, filepath.Join(shared, "pallets/pallet-standard/packages/core/host/machine-name",
		"forklift-package.yml:34:22: deployment host/machine-name needs the export overlays/usr/bin/machine-name "+
			"from a container image (ghcr.io/planktoscope/machine-name:0.1.3), and this version cannot do that yet"))
	_, err = Read(sharedFile(t, "pallets/pallet-segmenter"))
	require.ErrorContains(t, err, "deployments/mosquitto.deploy.yml:1:10: deployment mosquitto needs package "+
		"github.com/PlanktoScope/device-pkgs/core/infra/mosquitto of another repository, and this version cannot "+
		"bundle those yet")
}
