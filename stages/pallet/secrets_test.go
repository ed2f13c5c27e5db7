package pallet

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// modesOf returns the permissions of all copies of a file in a bundle.
func modesOf(b *Bundle, name string) []string {
	var all []string
	for _, f := range b.Files {
		if strings.HasSuffix(f.Path, name) {
			all = append(all, fmt.Sprintf("%o %s", f.Mode.Perm(), f.Path))
		}
	}
	return all
}

// TestPermissionsOfCopies exports a file with permissions: its copies in packages, pallet and merged-pallet have them, too.
func TestPermissionsOfCopies(t *testing.T) {
	copies := func(mode string) []string {
		return []string{mode + " merged-pallet/packages/a/overlays/etc/a", mode + " packages/packages/a/overlays/etc/a",
			mode + " pallet/packages/a/overlays/etc/a"}
	}
	for name, test := range map[string]struct {
		files  string
		copies string
	}{
		"0600":                    {exporting("target: x/overlays/etc/a", "source: overlays/etc/a", "permissions: 0600"), "600"},
		"0400":                    {exporting("target: x/overlays/etc/a", "source: overlays/etc/a", "permissions: 0400"), "400"},
		"0640":                    {exporting("target: x/overlays/etc/a", "source: overlays/etc/a", "permissions: 0640"), "640"},
		"0755":                    {exporting("target: x/overlays/etc/a", "source: overlays/etc/a", "permissions: 0755"), "644"},
		"none":                    {exporting("target: x/overlays/etc/a", "source: overlays/etc/a"), "644"},
		"through an unclean path": {exporting("target: x/overlays/etc/a", "source: ./overlays//etc/a", "permissions: 0600"), "600"},
		"0600 and 0640": {exporting("target: x/overlays/etc/a", "source: overlays/etc/a",
			"permissions: 0600\n      - {target: y, source: overlays/etc/a, permissions: 0640}"), "640"},
		"0600 and in a directory": {exporting("target: x/overlays/etc/a", "source: overlays/etc/a",
			"permissions: 0600\n      - {target: y, source: overlays}"), "644"},
		"0600 of a disabled feature": {exporting("target: x/overlays/etc/a", "source: overlays/etc/a") +
			"features: {f: {provides: {file-exports: [{target: y, source: overlays/etc/a, permissions: 0600}]}}}\n", "644"},
	} {
		t.Run(name, func(t *testing.T) {
			b := bundleOf(t, write(t, sound, test.files), Options{})
			require.Equal(t, copies(test.copies), modesOf(b, "packages/a/overlays/etc/a"))
		})
	}
}

// TestPermissionsOfImportedCopies exports a file of a required pallet.
func TestPermissionsOfImportedCopies(t *testing.T) {
	p, err := readLayered(t, declared("example.org/top")+requiring("example.org/base", "modifiers:\n- {target: /packages}\n- {target: /deployments}\n"),
		map[string]string{"example.org/base": strings.Replace(basePallet, "-- packages/y/forklift-package.yml --\n{}\n",
			"-- packages/y/forklift-package.yml --\ndeployment: {provides: {file-exports: [{target: x, source: data/a.txt, permissions: 0600}]}}\n", 1)})
	require.NoError(t, err)
	b, err := p.Bundle(t.Context(), Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"600 merged-pallet/packages/y/data/a.txt", "600 packages/packages/y/data/a.txt"}, modesOf(b, "a.txt"))
	require.Equal(t, []string{"600 exports/x"}, modesOf(b, "exports/x"))
}
