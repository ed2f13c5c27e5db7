package pallet

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzMerge evaluates import groups and features: sources are files of the required pallet, targets are allowed, and
// mistakes have positions.
func FuzzMerge(f *testing.F) {
	for _, seed := range [][2]string{
		{"modifiers: [{target: /packages}]", ""},
		{"modifiers: [{type: add-feature, source: f}, {type: remove, target: /packages/y}]", "modifiers: [{target: /packages}]"},
		{"modifiers: [{type: remove-feature, source: f}]", "modifiers: [{type: add-feature, source: f}]"},
		{"modifiers: [{source: '/p*/{x,y}', target: ../../etc, only-matching-any: ['**', '']}]", "deprecated: x"},
		{"modifiers: [null, {type: link}]\ndisabled: false", "modifiers: &a [*a]"},
		{"modifiers: [{source: /packages/y/data, target: /requirements/pallets/x}, {source: /packages/y/data/a.txt, target: /a}]", "{"},
	} {
		f.Add(seed[0], seed[1])
	}
	dir, err := filepath.Abs(f.TempDir())
	require.NoError(f, err)
	var base view
	base.dir, base.entries = dir, map[string]entry{}
	for _, name := range []string{"packages/x/forklift-package.yml", "packages/y/data/a.txt", "packages/y/data/b.txt", "deployments/x.deploy.yml"} {
		base.entries[name] = entry{dir: dir, name: name}
		base.sorted = append(base.sorted, name)
	}
	f.Fuzz(func(t *testing.T, imports, feature string) {
		l := Reader{}.loader(t.Context())
		tree := &layered{path: "example.org/base", own: &base, merged: &base, features: map[string]mapping{}}
		fed := &file{name: "f.yml", data: []byte(feature)}
		var declaredFeature, declared importDeclaration
		if fed.decode(&declaredFeature) == nil {
			tree.features["g"] = tree.evaluate(l, declaredFeature, fed)
		}
		g := &file{name: "g.yml", data: []byte(imports)}
		if err := g.decode(&declared); err != nil {
			require.Regexp(t, `^g\.yml:\d+:\d+: `, err.Error())
			return
		}
		declared.Disabled = false
		req := &required{groups: []group{{name: "g", declared: declared, file: g}}}
		for target, chosen := range tree.consolidate(l, req) {
			require.Empty(t, targetProblem(target))
			require.Contains(t, base.entries, chosen.source[1:])
			require.True(t, filepath.IsLocal(target[1:]), target)
		}
		for _, err := range l.mistakes {
			require.Regexp(t, `^[fg]\.yml:\d+:\d+: `, err.Error())
		}
	})
}

// FuzzLock decodes version locks and sum files.
func FuzzLock(f *testing.F) {
	f.Add("type: version\ntag: v1.2.3\ntimestamp: \"20260101000000\"\ncommit: "+commit, "example.org/x v1.2.3 p1:abc=")
	f.Add("type: pseudoversion\ntimestamp: 20260101000000\ncommit: "+commit, "")
	f.Add("{tag: v99999999999999999999.0.0, type: pseudoversion}", "a b c d")
	f.Fuzz(func(t *testing.T, text, sum string) {
		var lock Lock
		lf := &file{name: "l.yml", data: []byte(text)}
		if err := lf.decode(&lock); err != nil {
			require.Regexp(t, `^l\.yml:\d+:\d+: `, err.Error())
			return
		}
		version := lock.Version()
		if key, text := lock.mistake(); key != "" {
			require.NotEmpty(t, text)
			return
		}
		require.Equal(t, byte('v'), version[0])
		if checkSumFile(sum, "example.org/x", version, "p1:abc=") == nil {
			require.Contains(t, sum, version)
		}
	})
}

// FuzzPallet decodes declarations of pallets and repositories.
func FuzzPallet(f *testing.F) {
	f.Add("forklift-version: v0.8.0\npallet: {path: example.org/x, description: |\n  x\n}")
	f.Add("forklift-version: &v v0.4.0-alpha.1\nrepository: {path: *v}")
	f.Add("forklift-version: [v0.8.0]\npallet: x")
	f.Fuzz(func(t *testing.T, text string) {
		var d palletDeclaration
		pf := &file{name: "p.yml", data: []byte(text)}
		if err := pf.decode(&d); err != nil {
			require.Regexp(t, `^p\.yml:\d+:\d+: `, err.Error())
			return
		}
		l := Reader{}.loader(t.Context())
		l.version(pf, d.ForkliftVersion)
		for _, err := range l.mistakes {
			require.Regexp(t, `^p\.yml:\d+:\d+: `, err.Error())
		}
	})
}

// FuzzParseManifest decodes manifests, encodes them and decodes the result.
func FuzzParseManifest(f *testing.F) {
	f.Add([]byte("forklift-version: v0.8.0-alpha.6\npallet: {path: x, version: v1, clean: true}\nexports: {a: {file: [x]}}\n"))
	f.Add([]byte("forklift-version: v0.7.0\ndownloads: {a: [x, y]}\nexports: {a: [x]}\n"))
	f.Add([]byte("forklift-version: v0.7.0\nincludes: {pallets: {x: {version-lock: {type: version}, includes: {y: {}}}}}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			require.Regexp(t, `^forklift-bundle\.yml: `, err.Error())
			return
		}
		written, err := m.marshal()
		require.NoError(t, err)
		_, err = ParseManifest(written)
		require.NoError(t, err, string(written))
	})
}

// TestOldManifest decodes the lists of bundles before v0.8.0-alpha.6.
func TestOldManifest(t *testing.T) {
	m, err := ParseManifest([]byte("forklift-version: v0.7.0\npallet: {path: example.org/x, version: v1.0.0, clean: true}\n" +
		"deploys:\n  a: {package: /packages/a}\ndownloads:\n  a: [docker.io/library/alpine:3]\nexports:\n  a: [overlays/etc/x]\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]ManifestDownloads{"a": {OCIImage: []string{"docker.io/library/alpine:3"}}}, m.Downloads)
	require.Equal(t, map[string]ManifestExports{"a": {File: []string{"overlays/etc/x"}}}, m.Exports)
	for text, message := range map[string]string{
		"":                         `forklift-bundle.yml: forklift-version "" is not a version such as v0.8.0-alpha.6`,
		"forklift-version: v0.6.9": "forklift-bundle.yml: forklift-version v0.6.9 is older than v0.7.0",
		"forklift-version: v1.0.0": "forklift-bundle.yml: forklift-version v1.0.0 is newer than v0.9",
		"- x":                      "forklift-bundle.yml: yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into pallet.Manifest",
	} {
		_, err := ParseManifest([]byte(text))
		require.EqualError(t, err, message)
	}
}

// FuzzLint checks the keys of any YAML and appends a modifier to it: warnings have positions, and what was appended is read.
func FuzzLint(f *testing.F) {
	f.Add("package: &x {a: b}\nhost: {<<: *x}\nfeatures: {f: [1, {provides: x}]}\n---\nx: y\n")
	f.Add("modifiers:\n  - {target: /x} # c\ndisabled: no\n")
	f.Add("- modifiers: []\n? a\n: b\n")
	f.Fuzz(func(t *testing.T, text string) {
		lf := &file{name: "p.yml", data: []byte(text)}
		var ignored any
		if lf.decode(&ignored) != nil {
			return
		}
		l := linter{}
		l.file(lf, packageKeys())
		for _, w := range l.warnings {
			require.Regexp(t, `^p\.yml:\d+:\d+: `, w)
		}
		changed, err := withModifier([]byte(text), modifierNode{Type: typeRemove, Target: "/x"})
		if err != nil {
			return
		}
		var declared importDeclaration
		require.NoError(t, (&file{name: "c.yml", data: changed}).decode(&declared))
		require.Equal(t, "/x", declared.Modifiers[len(declared.Modifiers)-1].Target)
	})
}
