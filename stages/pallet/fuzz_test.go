package pallet

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// FuzzPackage decodes package declarations: exports that pass the check stay inside of the bundle, and mistakes have
// positions.
func FuzzPackage(f *testing.F) {
	for _, seed := range []string{
		"", "null", "- x", "{", "features: &a {b: *a}", "features: {a: {provides: {file-exports: [{target: ../x}]}}}",
		"deployment:\n  provides:\n    file-exports:\n      - target: overlays/etc/a\n        permissions: 0755\n",
		"deployment: &d {provides: {file-exports: [{source: ., target: x, source-type: local}]}}\nfeatures: {f: {<<: *d}}",
		"deployment: {provides: {file-exports: [{source-type: http, url: x, target: x}, null, {target: \"a\\0b\"}]}}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		f := &file{name: "p.yml", data: data}
		var declared packageDeclaration
		if err := f.decode(&declared); err != nil {
			require.Regexp(t, `^p\.yml:\d+:\d+: `, err.Error())
			return
		}
		p := &Package{Path: "/p", Host: declared.Host, Deployment: declared.Deployment, Features: declared.Features, file: f}
		d := &Deployment{Name: "d", Package: p}
		for name := range p.Features {
			d.Features = append(d.Features, name)
		}
		for _, e := range d.exports() {
			if err := e.check(); err != nil {
				require.Regexp(t, `^p\.yml:\d+:\d+: `, err.Error())
				continue
			}
			require.True(t, filepath.IsLocal(e.Target), e.Target)
			require.True(t, e.SourceType == SourceHTTP || filepath.IsLocal(e.Source), e.Source)
			require.LessOrEqual(t, e.Permissions, Permissions(0o777))
		}
		for _, r := range append(d.provided(), d.required()...) {
			require.Regexp(t, `^p\.yml:\d+:\d+$`, r.Position.String())
			require.NotEmpty(t, r.String())
		}
	})
}

// FuzzDeployment decodes deployment declarations: mistakes have positions.
func FuzzDeployment(f *testing.F) {
	for _, seed := range []string{
		"", "package: /packages/a\nfeatures:\n  - x\ndisabled: false\n", "package: &a /x\nfeatures: [*a]", "features: null",
		"package: [", "disabled: yes", "? x\n: y", "package: |\n  /a\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		source := &file{name: "d.yml", data: data}
		var declared deploymentDeclaration
		if err := source.decode(&declared); err != nil {
			require.Regexp(t, `^d\.yml:\d+:\d+: `, err.Error())
			return
		}
		for i := range declared.Features {
			require.Regexp(t, `^d\.yml:\d+:\d+$`, source.position(keyPath{"features", i}))
		}
		require.Regexp(t, `^d\.yml:\d+:\d+$`, source.position(keyPath{"package"}))
	})
}

// FuzzManifest encodes manifests and decodes them with another library.
func FuzzManifest(f *testing.F) {
	f.Add("host/banner", "feature", "overlays/etc/motd", "v1.2.3", "Text: with # signs")
	f.Add("1", "true", "a: b", "null", "- x")
	f.Add("~", "0755", "*a", "1.50", " leading and trailing ")
	f.Add("é", "'", `"`, "|", "{x}")
	f.Fuzz(func(t *testing.T, name, feature, target, version, description string) {
		for _, s := range []string{name, feature, target, version, description} {
			if !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
				t.Skip("the other library misreads some block scalars")
			}
		}
		var p Package
		p.Path = "/packages/x"
		p.Deployment.Provides.FileExports = []FileExport{{Target: target}}
		d := &Deployment{Name: name, Package: &p, Features: []string{feature}}
		m := Manifest{
			ForkliftVersion: Version, Pallet: ManifestPallet{Path: "x", Version: version, Description: description},
			Deploys: map[string]deploymentDeclaration{}, Exports: map[string]ManifestExports{},
		}
		m.deployment(d, nil)
		data, err := m.marshal()
		require.NoError(t, err)
		var got Manifest
		require.NoError(t, yaml.Unmarshal(data, &got), string(data))
		require.Equal(t, m, got, string(data))
	})
}
