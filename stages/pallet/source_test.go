package pallet

import (
	"path"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRootOfDownload exports all of an archive or an image, which Forklift calls "/" or ".".
func TestRootOfDownload(t *testing.T) {
	dir := write(t, "-- usr/bin/x --\nx\n-- etc/y --\ny\n")
	for _, kind := range []string{SourceHTTPArchive, SourceOCIImage} {
		for _, source := range []string{"/", ".", "./", "/.", "//"} {
			b := bundleOf(t, write(t, sound, exporting("source-type: "+kind, "url: https://example.org/x:1",
				"target: extensions/x", "source: "+source)), Options{Downloads: standIn(dir)})
			require.Equal(t, []string{"644 extensions/x/etc/y y\n", "644 extensions/x/usr/bin/x x\n"}, exportsOf(t, b), path.Join(kind, source))
		}
	}
}

// TestSpellingsOfSources exports a directory of the package by paths that are not clean, which Forklift cleans.
func TestSpellingsOfSources(t *testing.T) {
	for _, source := range []string{"overlays", "/overlays", "overlays/", "./overlays", "//overlays/./"} {
		b := bundleOf(t, write(t, sound, exporting("target: x", "source: "+source)), Options{})
		require.Equal(t, []string{"644 x/etc/a a\n"}, exportsOf(t, b), source)
	}
	b := bundleOf(t, write(t, sound, exporting("target: x", "source: /")), Options{})
	require.Equal(t, []string{"x", "x/forklift-package.yml", "x/overlays", "x/overlays/etc", "x/overlays/etc/a"}, pathsBelow(b, exportsDir))
}
