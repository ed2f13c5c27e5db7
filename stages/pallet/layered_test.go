package pallet

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// others is a Resolver with directories by path.
type others map[string]string

func (o others) Resolve(_ context.Context, r Requirement) (string, error) {
	dir, ok := o[r.Path]
	if !ok {
		return "", fmt.Errorf("there is no %s", r.Path)
	}
	return dir, nil
}

const commit = "0123456789012345678901234567890123456789"

// requiring returns a lock and an import group named all.
func requiring(path, modifiers string) string {
	return "-- requirements/pallets/" + path + "/forklift-version-lock.yml --\n" +
		"type: version\ntag: v1.2.3\ntimestamp: \"20260101000000\"\ncommit: " + commit + "\n" +
		"-- requirements/pallets/" + path + "/all.imports.yml --\n" + modifiers
}

func declared(path string) string {
	return "-- forklift-pallet.yml --\nforklift-version: v0.8.0\npallet: {path: " + path + "}\n"
}

// base is a pallet that others require.
const basePallet = `
-- forklift-pallet.yml --
forklift-version: v0.7.0
pallet: {path: example.org/base}
-- deployments/x.deploy.yml --
package: /packages/x
-- deployments/more/y.deploy.yml --
package: /packages/y
-- packages/x/forklift-package.yml --
{}
-- packages/y/forklift-package.yml --
{}
-- packages/y/data/a.txt --
a
-- packages/y/data/b.txt --
b
-- features/x.feature.yml --
modifiers: [{target: /deployments/x.deploy.yml}, {target: /packages/x}]
-- features/y.feature.yml --
modifiers: [{type: add-feature, source: x}, {target: /deployments/more}, {target: /packages/y}]
deprecated: use x
`

func TestModifiers(t *testing.T) {
	const x, y = "/deployments/x.deploy.yml", "/deployments/more/y.deploy.yml"
	px, py := "/packages/x/forklift-package.yml", "/packages/y/forklift-package.yml"
	a, b := "/packages/y/data/a.txt", "/packages/y/data/b.txt"
	for name, test := range map[string]struct {
		modifiers string
		want      []string // targets, or target=source where they differ
	}{
		"file":                          {"[{target: /deployments/x.deploy.yml}]", []string{x}},
		"file under another name":       {"[{source: /deployments/x.deploy.yml, target: /deployments/z.deploy.yml}]", []string{"/deployments/z.deploy.yml=" + x}},
		"directory":                     {"[{target: /deployments}]", []string{y, x}},
		"directory under another name":  {"[{source: /packages/y, target: /packages/z}]", []string{"/packages/z/data/a.txt=" + a, "/packages/z/data/b.txt=" + b, "/packages/z/forklift-package.yml=" + py}},
		"paths without slashes":         {"[{source: packages/x, target: packages/x}]", []string{px}},
		"globs":                         {"[{target: /packages, only-matching-any: ['*/forklift-package.yml', '**/b.*']}]", []string{py, px, b}},
		"glob of a directory":           {"[{target: /packages, only-matching-any: ['?/d*']}]", []string{a, b}},
		"glob as source":                {"[{source: '/packages/*/data', target: /z}]", []string{"/z/packages/y/data/a.txt=" + a, "/z/packages/y/data/b.txt=" + b}},
		"remove":                        {"[{target: /packages}, {type: remove, target: /packages/y}]", []string{px}},
		"remove globs":                  {"[{target: /packages}, {type: remove, target: /packages, only-matching-any: ['**/*.txt']}]", []string{py, px}},
		"remove all":                    {"[{target: /packages}, {type: remove}]", nil},
		"feature":                       {"[{type: add-feature, source: x}]", []string{x, px}},
		"feature of features":           {"[{type: add-feature, source: y}]", []string{y, x, py, px, a, b}},
		"without a feature":             {"[{target: /packages}, {target: /deployments}, {type: remove-feature, source: x}]", []string{y, py, a, b}},
		"removed and added again":       {"[{target: /packages/x}, {type: remove}, {type: add, target: /packages/x}]", []string{px}},
		"none":                          {"[]", nil},
		"explicit type, and null globs": {"[{type: add, target: /packages/x, only-matching-any: null}]", []string{px}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, declared("example.org/top")+requiring("example.org/base", "modifiers: "+test.modifiers+"\n"))
			l := Reader{Resolver: others{"example.org/base": write(t, basePallet)}}.loader(t.Context())
			v, err := scan(l.roots, dir)
			require.NoError(t, err)
			tree := l.layer(v, "", nil)
			require.NoError(t, l.mistakes.err())
			require.NoError(t, l.roots.close())
			var got []string
			for target, source := range tree.required[0].mapped["all"] {
				if source != target {
					target += "=" + source
				}
				got = append(got, target)
			}
			slices.Sort(got)
			slices.Sort(test.want)
			require.Equal(t, test.want, got)
			require.Len(t, tree.from, len(test.want))
		})
	}
}

// read reads a pallet with requirements and shortens paths: P for the pallet, R for requirements.
func readLayered(t *testing.T, top string, required map[string]string) (*Pallet, error) {
	t.Helper()
	dirs := others{}
	short := []string{}
	for path, files := range required {
		dirs[path] = write(t, files)
		short = append(short, dirs[path], "R:"+filepath.Base(path))
	}
	dir := write(t, top)
	p, err := Reader{Resolver: dirs}.Read(t.Context(), dir)
	if err == nil {
		return p, nil
	}
	short = append(short, dir+"/requirements/pallets/example.org/", "Q/", dir, "P")
	return p, fmt.Errorf("%s", strings.NewReplacer(short...).Replace(err.Error()))
}

func TestLayering(t *testing.T) {
	const first = "example.org/first"
	p, err := readLayered(t,
		declared("example.org/top")+requiring(first, "modifiers: [{type: add-feature, source: all}]\n")+
			"-- packages/x/forklift-package.yml --\npackage: {description: own}\n",
		map[string]string{
			first: declared(first) + requiring("example.org/base", "modifiers: [{target: /packages}, {target: /features}]\n") +
				"-- features/all.feature.yml --\nmodifiers:\n- {target: /packages}\n- {target: /deployments}\n" +
				"- {type: add-feature, source: example.org/base/features/x}\n" +
				"-- deployments/x.deploy.yml --\npackage: /packages/x\n",
			"example.org/base": basePallet,
		})
	require.NoError(t, err)
	require.Equal(t, []string{"x"}, p.DeploymentNames())
	require.Equal(t, "own", p.Deployments[0].Package.Information.Description)
	require.Nil(t, p.Origin("packages/x/forklift-package.yml"))
	require.Equal(t, []string{
		"example.org/first@v1.2.3/packages/y/data/a.txt", "example.org/base@v1.2.3/packages/y/data/a.txt",
	}, p.Origin("packages/y/data/a.txt"))

	b, err := p.Bundle(t.Context(), Options{})
	require.NoError(t, err)
	merged := pathsBelow(b, mergedDir)
	require.Contains(t, merged, "packages/y/data/a.txt")
	require.NotContains(t, pathsBelow(b, palletDir), "packages/y")
	m := manifestOf(t, b)
	lock := Lock{Type: "version", Tag: "v1.2.3", Timestamp: "20260101000000", Commit: commit}
	require.Equal(t, []string{first}, slices.Collect(maps.Keys(m.Includes.Pallets)))
	require.Equal(t, lock, m.Includes.Pallets[first].VersionLock)
	require.Equal(t, lock, m.Includes.Pallets[first].Includes["example.org/base"].VersionLock)
	require.Equal(t, "/packages/y/data/a.txt", m.Includes.Pallets[first].Imports["all"]["/packages/y/data/a.txt"])
	require.Equal(t, p.Origin("deployments/x.deploy.yml"), m.Imports["deployments/x.deploy.yml"])
	require.NotContains(t, m.Imports, "packages/x/forklift-package.yml", "the pallet's own")
}

// TestRepository deploys packages of a required repository, as before Forklift v0.8.
func TestRepository(t *testing.T) {
	required := strings.ReplaceAll(requiring("example.org/base", ""), "requirements/pallets", "requirements/repositories")
	p, err := readLayered(t,
		declared("example.org/top")+required+"-- deployments/d.deploy.yml --\npackage: example.org/base/core/p\n",
		map[string]string{"example.org/base": "-- forklift-repository.yml --\nforklift-version: v0.4.0\n" +
			"repository: {path: example.org/base}\n-- core/p/forklift-package.yml --\n" +
			"deployment: {provides: {file-exports: [{target: overlays/etc/x, source: x}]}}\n-- core/p/x --\nx\n"})
	require.NoError(t, err)
	b, err := p.Bundle(t.Context(), Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"644 overlays/etc/x x\n"}, exportsOf(t, b))
	require.Contains(t, pathsBelow(b, packagesDir), "example.org/base/core/p/forklift-package.yml")
	require.Equal(t, commit, manifestOf(t, b).Includes.Repositories["example.org/base"].VersionLock.Commit)
	require.Equal(t, []string{"example.org/base/core/p"}, p.PackagePaths())
}

func TestLayeringMistakes(t *testing.T) {
	const first, second = "example.org/first", "example.org/second"
	top := declared("example.org/top")
	group := "Q/base/all.imports.yml:"
	base := func(modifiers string) string {
		return top + requiring("example.org/base", "modifiers:\n- "+modifiers+"\n")
	}
	features := func(files string) map[string]string {
		return map[string]string{"example.org/base": basePallet + files}
	}
	for name, test := range map[string]struct {
		top      string
		required map[string]string
		want     string
	}{
		"unknown requirement": {base("{target: /packages}"), nil,
			"Q/base/forklift-version-lock.yml:4:9: there is no example.org/base"},
		"unknown type": {base("{type: link}"), features(""),
			group + `2:4: modifier type "link" is unknown, want add, remove, add-feature or remove-feature`},
		"file at the root": {base("{source: /packages/y/data/a.txt, target: /a}"), features(""),
			group + "2:4: import target /a is a file at the root of the pallet, which cannot be imported"},
		"requirements": {base("{source: /packages/y/data, target: /requirements/pallets/x}"), features(""),
			group + "2:4: import target /requirements/pallets/x/a.txt is below /requirements/pallets, which cannot be imported\n" +
				group + "2:4: import target /requirements/pallets/x/b.txt is below /requirements/pallets, which cannot be imported"},
		"unknown feature": {base("{type: add-feature, source: z}"), features(""),
			group + `2:4: pallet example.org/base@v1.2.3 has no feature "z": features/z.feature.yml is missing`},
		"unknown feature of an unknown pallet": {base("{type: add-feature, source: example.org/other/features/z}"), features(""),
			group + `2:4: pallet example.org/base@v1.2.3 has no feature "example.org/other/features/z": ` +
				"features/example.org/other/features/z.feature.yml is missing"},
		"feature loop": {base("{type: add-feature, source: p}"),
			features("-- features/p.feature.yml --\nmodifiers: [{type: add-feature, source: q}]\n" +
				"-- features/q.feature.yml --\nmodifiers: [{type: remove-feature, source: p}]\n"),
			"R:base/features/q.feature.yml:1:14: dependency cycle between features of example.org/base@v1.2.3: p adds q adds p"},
		"bad glob": {base("{target: /packages, only-matching-any: ['[']}"), features(""),
			group + `2:4: pattern "packages/[": syntax error in pattern`},
		"two groups": {base("{target: /packages/x}") + "-- requirements/pallets/example.org/base/b.imports.yml --\n" +
			"modifiers: [{source: /packages/y, target: /packages/x}]\n", features(""),
			"Q/base/b.imports.yml:1:14: import target /packages/x/forklift-package.yml has two sources: /packages/y/forklift-package.yml " +
				"and /packages/x/forklift-package.yml (" + group + "2:4)"},
		"two pallets": {base("{target: /packages/y}") + requiring(first, "modifiers: [{target: /packages}]\n"),
			map[string]string{"example.org/base": basePallet, first: declared(first) + "-- packages/y/data/a.txt --\nother\n"},
			"Q/first/all.imports.yml:1:14: file packages/y/data/a.txt is imported from " +
				"example.org/first@v1.2.3/packages/y/data/a.txt and from example.org/base@v1.2.3/packages/y/data/a.txt (" +
				group + "2:4), which differs: content"},
		"the same file of two pallets": {base("{target: /packages/y}") + requiring(first, "modifiers: [{target: /packages}]\n"),
			map[string]string{"example.org/base": basePallet, first: declared(first) + "-- packages/y/data/a.txt --\na\n"}, ""},
		"circle": {top + requiring(first, "modifiers: [{target: /packages}]\n"),
			map[string]string{
				first:  declared(first) + requiring(second, "modifiers: [{target: /packages}]\n"),
				second: declared(second) + requiring(first, "modifiers: [{target: /packages}]\n"),
			},
			"R:second/requirements/pallets/example.org/first/forklift-version-lock.yml:1:1: dependency cycle between " +
				"pallets: example.org/first requires example.org/second requires example.org/first"},
		"itself": {top + requiring("example.org/top", "modifiers: [{target: /packages}]\n"), nil,
			"Q/top/forklift-version-lock.yml:1:1: dependency cycle between pallets: " +
				"example.org/top requires example.org/top"},
		"circle of which nothing is taken": {top + requiring(first, "disabled: true\nmodifiers: [{type: x}]\n"), nil, ""},
		"older than what it requires": {
			"-- forklift-pallet.yml --\nforklift-version: v0.6.0\npallet: {path: example.org/top}\n" +
				requiring("example.org/base", "modifiers: []\n"), features(""),
			"P/forklift-pallet.yml:1:19: forklift-version v0.6.0 is older than the v0.7.0 of the required example.org/base " +
				"(Q/base/forklift-version-lock.yml)"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readLayered(t, test.top, test.required)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
		})
	}
}

// TestNotes checks notices that are no mistakes.
func TestNotes(t *testing.T) {
	p, err := readLayered(t, declared("example.org/top")+requiring("example.org/base",
		"modifiers: [{target: /missing}, {type: add-feature, source: y}]\n"), map[string]string{"example.org/base": basePallet})
	require.NoError(t, err)
	require.Len(t, p.Notes, 3)
	require.Contains(t, p.Notes[0], "forklift-version-lock.sum: file is missing")
	require.Contains(t, p.Notes[1], "all.imports.yml:1:14: modifier matches no file in example.org/base@v1.2.3/missing")
	require.Contains(t, p.Notes[2], "features/y.feature.yml: feature y of example.org/base@v1.2.3 is deprecated: use x")
}

// TestFeaturesOfFeatures has features that double with every step: each is evaluated once.
func TestFeaturesOfFeatures(t *testing.T) {
	files := basePallet
	for i := range 60 {
		files += fmt.Sprintf("-- features/f%d.feature.yml --\nmodifiers: [{type: add-feature, source: f%d}, "+
			"{type: add-feature, source: f%d}]\n", i, i+1, i+1)
	}
	files += "-- features/f60.feature.yml --\nmodifiers: [{target: /packages}]\n"
	_, err := readLayered(t, declared("example.org/top")+
		requiring("example.org/base", "modifiers: [{type: add-feature, source: f0}]\n"), map[string]string{"example.org/base": files})
	require.NoError(t, err)
}

// TestVersions checks tags and pseudo-versions of locks.
func TestVersions(t *testing.T) {
	for want, lock := range map[string]Lock{
		"v1.2.3":                               {Type: LockVersion, Tag: "v1.2.3"},
		"v1.2.3-beta.1":                        {Type: LockVersion, Tag: "v1.2.3-beta.1"},
		"v0.0.0-20260101000000-012345678901":   {Type: LockPseudoversion},
		"v1.2.4-0.20260101000000-012345678901": {Type: LockPseudoversion, Tag: "v1.2.3"},
		"v2024.0.0-beta.2.0.20241023155628-0b2207e01eaa": {Type: LockPseudoversion, Tag: "v2024.0.0-beta.2",
			Timestamp: "20241023155628", Commit: "0b2207e01eaacbfab1d7e28844ad0f2899b9c22d"},
		"v1.2.3-a.0.20260101000000-012345678901": {Type: LockPseudoversion, Tag: "v1.2.3-a+build"},
	} {
		if lock.Commit == "" {
			lock.Timestamp, lock.Commit = "20260101000000", commit
		}
		key, text := lock.mistake()
		require.Empty(t, key, text)
		require.Equal(t, want, lock.Version())
	}
}

// TestSegmenterPallet reads a real pallet with the real repository that it requires, in another version.
func TestSegmenterPallet(t *testing.T) {
	dir := needs.Shared(t, "pallets/pallet-segmenter")
	p, err := Reader{Resolver: others{"github.com/PlanktoScope/device-pkgs": needs.Shared(t, "pallets/device-pkgs")}}.Read(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, []string{"filebrowser", "mosquitto", "node-red-dashboard", "segmenter"}, p.DeploymentNames())
	require.NoError(t, p.Check().Err())
	b, err := p.Bundle(t.Context(), Options{})
	require.NoError(t, err)
	require.Contains(t, pathsBelow(b, packagesDir), "github.com/PlanktoScope/device-pkgs/core/infra/mosquitto")
	require.Contains(t, pathsBelow(b, packagesDir), "deployments/segmenter/forklift-package.yml")
}

// TestLayeringRealPallets imports a feature of a real pallet.
func TestLayeringRealPallets(t *testing.T) {
	standard := needs.Shared(t, "pallets/pallet-standard")
	const path = "github.com/PlanktoScope/pallet-standard"
	dir := write(t, declared("example.org/top")+requiring(path, "modifiers:\n- {type: add-feature, source: planktoscope/all}\n"+
		"- {type: remove-feature, source: base/mqtt}\n- {target: /packages}\n"+
		"- {type: remove, target: /deployments/apps/ps/node-red-dashboard.deploy.yml}\n"))
	p, err := Reader{Resolver: others{path: standard}}.Read(t.Context(), dir)
	require.NoError(t, err)
	require.NotContains(t, p.DeploymentNames(), "infra/mosquitto")
	require.NotContains(t, p.DeploymentNames(), "apps/ps/node-red-dashboard")
	require.Contains(t, p.DeploymentNames(), "apps/ps/backend/controller")
	require.ErrorContains(t, p.Check().Err(), "deployment apps/ps/backend/controller requires service 1883/mqtt")
	require.NoError(t, os.RemoveAll(dir))
}
