package pallet

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func bundleOf(t *testing.T, dir string, options Options) *Bundle {
	t.Helper()
	p, err := Read(dir)
	require.NoError(t, err)
	b, err := p.Bundle(t.Context(), options)
	require.NoError(t, err)
	return b
}

// pathsBelow returns the paths of a bundle below a directory, relative to it.
func pathsBelow(b *Bundle, dir string) []string {
	paths := []string{}
	for _, f := range b.Files {
		if name, ok := strings.CutPrefix(f.Path, dir+"/"); ok {
			paths = append(paths, name)
		}
	}
	return paths
}

// exportsOf returns the exports of a bundle without directories: mode, path, and content or link target.
func exportsOf(t *testing.T, b *Bundle) []string {
	t.Helper()
	all := []string{}
	for _, f := range b.Files {
		name, ok := strings.CutPrefix(f.Path, exportsDir+"/")
		if ok && !f.Mode.IsDir() {
			all = append(all, fmt.Sprintf("%o %s %s%s", f.Mode.Perm(), name, f.Target, contentOf(t, f)))
		}
	}
	return all
}

func TestExports(t *testing.T) {
	for name, test := range map[string]struct {
		files string
		want  []string
	}{
		"of the deployment": {"", []string{"644 overlays/etc/a a\n"}},
		"unknown keys, nulls and aliases": {`
-- deployments/a.deploy.yml --
package: /packages/a
features: null
disabled: false
unknown: {}
-- packages/a/forklift-package.yml --
package: &x {description: x}
host: *x
deployment:
  provides:
    listeners: [{port: 80}]
    file-exports:
      - {target: overlays/etc/a, tags: [x], unknown: 1, permissions: null}
features:
`, []string{"644 overlays/etc/a a\n"}},
		"source": {exporting("source: /overlays/etc/a", "target: x", "source-type: local"), []string{"644 x a\n"}},
		"permissions": {
			exporting("source: overlays/etc/a", "target: x", "permissions: 0750\n"+
				"      - {source: overlays/etc/a, target: y, permissions: 0o400}\n"+
				"      - {source: overlays/etc/a, target: z, permissions: 448}"),
			[]string{"750 x a\n", "400 y a\n", "700 z a\n"},
		},
		"directory": {
			exporting("source: overlays", "target: x", "permissions: 0700") + `
-- packages/a/overlays/.git/config --
-- packages/a/overlays/etc/b/c --
c
`, []string{"644 x/etc/a a\n", "644 x/etc/b/c c\n"}},
		"the whole package": {`
-- packages/a/forklift-package.yml --
deployment: {provides: {file-exports: [{source: ., target: x}]}}
`, []string{
			"644 x/forklift-package.yml deployment: {provides: {file-exports: [{source: ., target: x}]}}\n",
			"644 x/overlays/etc/a a\n",
		}},
		"features in the order of their names, and the last wins": {`
-- deployments/a.deploy.yml --
package: /packages/a
features: [last, first]
-- packages/a/1 --
1
-- packages/a/2 --
2
-- packages/a/3 --
3
-- packages/a/forklift-package.yml --
deployment: {provides: {file-exports: [{target: x, source: "1"}, {target: y, source: "1"}]}}
features:
  first: {provides: {file-exports: [{target: y, source: "2"}, {target: z, source: "2"}]}}
  last: {provides: {file-exports: [{target: z, source: "3"}]}}
  off: {provides: {file-exports: [{target: x, source: "3"}]}}
`, []string{"644 x 1\n", "644 y 2\n", "644 z 3\n"}},
		"files in a directory of the same deployment": {
			exporting("source: overlays", "target: x\n"+
				"      - {source: b, target: x/etc/a}\n"+
				"      - {source: b, target: x/etc/b}") + "-- packages/a/b --\nb\n",
			[]string{"644 x/etc/a b\n", "644 x/etc/b b\n"},
		},
		"disabled": {"-- deployments/a.deploy.yml --\npackage: /packages/a\ndisabled: true\n", []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, exportsOf(t, bundleOf(t, write(t, sound, test.files), Options{})))
		})
	}
}

// TestManifestListsTargetsOnce has a feature that exports a target of its deployment again.
func TestManifestListsTargetsOnce(t *testing.T) {
	b := bundleOf(t, write(t, sound, `
-- deployments/a.deploy.yml --
package: /packages/a
features: [f]
-- packages/a/forklift-package.yml --
deployment: {provides: {file-exports: [{target: overlays/etc/a}]}}
features: {f: {provides: {file-exports: [{target: overlays/etc/a}, {target: b, source: overlays}]}}}
`), Options{})
	require.Equal(t, `forklift-version: v0.8.0-alpha.6
pallet:
  path: example.org/pallet
  version: ""
  clean: false
deploys:
  a:
    package: /packages/a
    features:
      - f
exports:
  a:
    file:
      - b
      - overlays/etc/a
`, string(b.Manifest))
}

// TestModesAndLinks has modes and symlinks, which txtar archives cannot have.
func TestModesAndLinks(t *testing.T) {
	dir := write(t, sound, exporting("target: overlays"))
	etc := filepath.Join(dir, "packages/a/overlays/etc")
	require.NoError(t, os.WriteFile(filepath.Join(etc, "run"), []byte("run\n"), 0o600))
	require.NoError(t, os.Chmod(filepath.Join(etc, "run"), 0o500|fs.ModeSetuid))
	require.NoError(t, os.Chmod(filepath.Join(etc, "a"), 0o466))
	require.NoError(t, os.Chmod(etc, 0o700))
	for name, target := range map[string]string{
		"absolute": "/etc/passwd", "dangling": "nowhere", "out": "../../../../../../out", "self": "self", "dir": ".",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(etc, name)))
	}
	b := bundleOf(t, dir, Options{})
	require.Equal(t, []string{
		"644 overlays/etc/a a\n",
		"777 overlays/etc/absolute /etc/passwd",
		"777 overlays/etc/dangling nowhere",
		"777 overlays/etc/dir .",
		"777 overlays/etc/out ../../../../../../out",
		"755 overlays/etc/run run\n",
		"777 overlays/etc/self self",
	}, exportsOf(t, b))
	require.Equal(t, []string{filepath.Join(etc, "run") + ":1:1: file has the mode urwxr-xr-x, of which the bundle keeps -rwxr-xr-x only"}, b.Warnings)
	for _, f := range b.Files {
		if f.Mode.IsDir() {
			require.Equal(t, fs.ModeDir|0o755, f.Mode, f.Path)
		}
	}
}

// TestLinkAsSource exports symlinks.
func TestLinkAsSource(t *testing.T) {
	for _, target := range []string{"/etc/passwd", "nowhere", "etc", "../../../../out", "link"} {
		dir := write(t, sound, exporting("target: link", "source: overlays/link", "permissions: 0600"))
		require.NoError(t, os.Symlink(target, filepath.Join(dir, "packages/a/overlays/link")))
		require.Equal(t, []string{"777 link " + target}, exportsOf(t, bundleOf(t, dir, Options{})))
	}
}

func TestLayout(t *testing.T) {
	dir := write(t, sound, `
-- .git/config --
-- .github/x --
-- packages/a/sub/.git --
-- packages/unused/forklift-package.yml --
`)
	b := bundleOf(t, dir, Options{})
	pallet := []string{
		".github",
		".github/x",
		"deployments",
		"deployments/a.deploy.yml",
		"forklift-pallet.yml",
		"packages",
		"packages/a",
		"packages/a/forklift-package.yml",
		"packages/a/overlays",
		"packages/a/overlays/etc",
		"packages/a/overlays/etc/a",
		"packages/a/sub",
		"packages/unused",
		"packages/unused/forklift-package.yml",
	}
	require.Equal(t, pallet, pathsBelow(b, palletDir))
	require.Equal(t, pallet, pathsBelow(b, mergedDir))
	require.Equal(t, append([]string{"forklift-repository.yml"}, pallet[5:12]...), pathsBelow(b, packagesDir))
	require.Equal(t, []string{"overlays", "overlays/etc", "overlays/etc/a"}, pathsBelow(b, exportsDir))
	require.True(t, slices.IsSortedFunc(b.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) }))
}

// TestEmptyPallet checks the directories that every bundle has.
func TestEmptyPallet(t *testing.T) {
	b := bundleOf(t, write(t, "-- forklift-pallet.yml --\nforklift-version: v0.4.0\npallet: {path: x}\n"), Options{})
	var paths []string
	for _, f := range b.Files {
		paths = append(paths, f.Path)
	}
	require.Equal(t, []string{
		"exports", "merged-pallet", "merged-pallet/forklift-pallet.yml", "packages", "packages/forklift-repository.yml",
		"pallet", "pallet/forklift-pallet.yml",
	}, paths)
	require.Equal(t, `forklift-version: v0.8.0-alpha.6
pallet:
  path: x
  version: ""
  clean: false
`, string(b.Manifest))
}

// TestBundleOfChangedPallet bundles a pallet whose files changed after Read.
func TestBundleOfChangedPallet(t *testing.T) {
	dir := write(t, sound)
	p, err := Read(dir)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "packages")))
	_, err = p.Bundle(t.Context(), Options{})
	require.EqualError(t, err, "read "+dir+"/packages/a/forklift-package.yml: no such file or directory\n"+
		"read "+dir+"/packages/a/overlays/etc/a: no such file or directory\n"+
		dir+"/packages/a/forklift-package.yml:4:9: export overlays/etc/a of deployment a: "+
		"read "+dir+"/packages/a/overlays/etc/a: no such file or directory")
	require.NoError(t, os.RemoveAll(dir))
	_, err = p.Bundle(t.Context(), Options{})
	require.EqualError(t, err, "bundle pallet: open "+dir+": no such file or directory")
	_, err = Read(dir)
	require.EqualError(t, err, "read pallet: open "+dir+": no such file or directory")
}
