package pallet

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHostileLinks has links that lead out of the pallet, or out of the bundle.
func TestHostileLinks(t *testing.T) {
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "a"), []byte("secret\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "forklift-package.yml"), nil, 0o600))
	secret := filepath.Join(outside, "a")
	for name, test := range map[string]struct {
		files, link, to string // the link replaces what is there
		want            string
	}{
		"source through a link": {
			"", "packages/a/overlays", outside,
			"A:4:9: export overlays/etc/a of deployment a: read P/packages/a/overlays/etc/a: path escapes from parent",
		},
		"package": {
			"", "packages/a", outside,
			"D:1:10: package /packages/a is a symlink; deploy what it leads to",
		},
		"package through a link": {
			"", "packages", outside,
			"read A: path escapes from parent",
		},
		"declaration of the pallet": {
			"", "forklift-pallet.yml", secret,
			"read P/forklift-pallet.yml: path escapes from parent",
		},
		"declaration of a package": {
			"", "packages/a/forklift-package.yml", secret,
			"read A: path escapes from parent",
		},
		"deployment": {
			"", "deployments/a.deploy.yml", secret,
			"read D: path escapes from parent",
		},
		"deployments": {
			"", "deployments", outside,
			"read P/deployments: it is a symlink, not a directory",
		},
		"link to itself": {
			"", "packages/a/overlays", "overlays",
			"A:4:9: export overlays/etc/a of deployment a: read P/packages/a/overlays/etc/a: too many levels of symbolic links",
		},
		"export through an exported link": {
			exporting("source: overlays", "target: x\n      - source: overlays/etc/a", "target: x/out/a"),
			"packages/a/overlays/out", outside,
			"A:6:17: export x/out/a of deployment a: exports/x/out is to be a symlink and a directory",
		},
		"export over an exported link": {
			exporting("source: overlays", "target: x\n      - source: overlays/etc", "target: x/out"),
			"packages/a/overlays/out", outside,
			"A:6:17: export x/out of deployment a: exports/x/out is to be a symlink and a directory",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, sound, test.files)
			require.NoError(t, os.RemoveAll(filepath.Join(dir, test.link)))
			require.NoError(t, os.Symlink(test.to, filepath.Join(dir, test.link)))
			require.Equal(t, test.want, bundleErr(dir))
		})
	}
}

func TestSpecialFiles(t *testing.T) {
	dir := write(t, sound)
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "packages/a/pipe"), 0o600))
	require.Equal(t, "read P/packages/a/pipe: a named pipe cannot be bundled", bundleErr(dir))

	dir = write(t, sound, "-- forklift-pallet.yml --\n-\n-- forklift-pallet.yml/x --\n")
	require.Equal(t, "read P/forklift-pallet.yml: it is a directory, not a regular file", bundleErr(dir))
}
