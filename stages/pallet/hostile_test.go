package pallet

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHostileLinks has symlinks out of the pallet and out of the bundle.
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
			"D:1:10: package /packages/a is a symlink; deploy its target",
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
			"read P/deployments: file is a symlink, want a directory",
		},
		"link to itself": {
			"", "packages/a/overlays", "overlays",
			"A:4:9: export overlays/etc/a of deployment a: read P/packages/a/overlays/etc/a: too many levels of symbolic links",
		},
		"export through an exported link": {
			exporting("source: overlays", "target: x\n      - source: overlays/etc/a", "target: x/out/a"),
			"packages/a/overlays/out", outside,
			"A:6:17: export x/out/a of deployment a: path exports/x/out is both a symlink and a directory",
		},
		"export over an exported link": {
			exporting("source: overlays", "target: x\n      - source: overlays/etc", "target: x/out"),
			"packages/a/overlays/out", outside,
			"A:6:17: export x/out of deployment a: path exports/x/out is both a symlink and a directory",
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
	require.Equal(t, "read P/packages/a/pipe: file is a named pipe; a bundle has regular files, directories and symlinks only", bundleErr(dir))

	dir = write(t, sound, "-- forklift-pallet.yml --\n-\n-- forklift-pallet.yml/x --\n")
	require.Equal(t, "read P/forklift-pallet.yml: file is a directory, want a regular file", bundleErr(dir))
}

// TestShadow has pallets that try to write to /etc/shadow of the device or of the machine that bundles them.
func TestShadow(t *testing.T) {
	const through = "is both a symlink and a directory"
	for name, test := range map[string]struct{ files, link, want string }{
		"of one deployment": {
			exporting("source: etc", "target: overlays/etc\n      - source: overlays/etc/a", "target: overlays/etc/shadow"),
			"packages/a/etc", "exports/overlays/etc " + through,
		},
		"of two deployments": {
			exporting("source: etc", "target: overlays/etc") + beside("overlays/etc/shadow"),
			"packages/a/etc", "overlapping paths 'overlays/etc' and 'overlays/etc/shadow'",
		},
		"in a directory": {
			exporting("source: dir", "target: overlays\n      - source: overlays/etc/a", "target: overlays/etc/shadow") +
				"-- packages/a/dir/x --\n",
			"packages/a/dir/etc", "exports/overlays/etc " + through,
		},
		"the whole overlay": {
			exporting("source: etc", "target: overlays/etc"),
			"packages/a/etc", "path exports/overlays/etc is a symlink, want a directory",
		},
		"the overlays": {
			exporting("source: etc", "target: overlays"),
			"packages/a/etc", "path exports/overlays is a symlink, want a directory",
		},
		"source": {
			exporting("source: etc/shadow", "target: overlays/etc/x"),
			"packages/a/etc", "read P/packages/a/etc/shadow: path escapes from parent",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, sound, test.files)
			require.NoError(t, os.Symlink("/etc", filepath.Join(dir, test.link)))
			require.Contains(t, bundleErr(dir), test.want)
		})
	}
}

// laughs returns YAML whose size doubles with every line after the expansion of aliases.
func laughs(n int) string {
	text := "x0: &x0 [a, b]\n"
	for i := range n {
		text += fmt.Sprintf("x%d: &x%d [*x%d, *x%d]\n", i+1, i+1, i, i)
	}
	return text
}

// TestBillionLaughs has aliases that expand beyond any memory in every kind of file.
func TestBillionLaughs(t *testing.T) {
	const many = ":1:1: aliases expand to more than 65536 values"
	for name, want := range map[string]string{
		"forklift-pallet.yml":                                             "",
		"forklift-repository.yml":                                         "",
		"deployments/a.deploy.yml":                                        "",
		"packages/a/forklift-package.yml":                                 "",
		"requirements/pallets/x/forklift-version-lock.yml":                "",
		"requirements/pallets/x/y.imports.yml":                            "",
		"packages/a/compose.yml":                                          "P/packages/a/forklift-package.yml:1:30: P/packages/a/compose.yml" + many,
		"requirements/repositories/example.org/forklift-version-lock.yml": "",
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, sound, "-- packages/a/forklift-package.yml --\ndeployment: {compose-files: [compose.yml]}\n"+
				"-- packages/a/compose.yml --\n{}\n"+
				requiring("x", "modifiers: []\n")+"-- "+name+" --\n"+laughs(60))
			err := ""
			if p, e := (Reader{Resolver: others{"x": write(t, sound)}}).Read(t.Context(), dir); e != nil {
				err = e.Error()
			} else if _, e := p.Apps(t.Context()); e != nil {
				err = e.Error()
			}
			require.Contains(t, strings.ReplaceAll(err, dir, "P"), cmp.Or(want, "P/"+name+many))
		})
	}
	_, err := ParseManifest([]byte("forklift-version: v0.8.0\n" + laughs(60)))
	require.NoError(t, err, "unknown keys are not looked into")
	_, err = ParseManifest([]byte("forklift-version: v0.8.0\n" + laughs(60) + "imports: {x: *x60}\n"))
	require.ErrorContains(t, err, "forklift-bundle.yml: yaml: ")
}

// TestLimits has pallets that exceed each limit.
func TestLimits(t *testing.T) {
	t.Run("files", func(t *testing.T) {
		dir := inMemory(t)
		for i := range 1_000_000 {
			if i > maxEntries && os.Getenv("PKBUILD_TEST_STRICT") == "" {
				break // a million takes CI some ten seconds
			}
			if err := os.Symlink("a.deploy.yml", filepath.Join(dir, fmt.Sprint(i, ".deploy.yml"))); err != nil {
				t.Fatal(err)
			}
		}
		require.Equal(t, "read pallet: read P: directory has more than 100000 files", bundleErr(dir))
	})
	t.Run("deployments", func(t *testing.T) {
		dir := write(t, sound)
		for i := range maxDeployments {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "deployments", fmt.Sprint(i, ".deploy.yml")),
				[]byte("package: /packages/a\ndisabled: true\n"), 0o644))
		}
		require.Equal(t, "P/deployments: pallet has more than 10000 deployments", bundleErr(dir))
	})
	t.Run("resources", func(t *testing.T) {
		files := "-- packages/a/forklift-package.yml --\nhost:\n  provides:\n    services:\n"
		for i := range 1000 {
			files += fmt.Sprintf("    - {port: %d, paths: ['/*']}\n", i)
		}
		for i := range 30 {
			files += fmt.Sprintf("-- deployments/%d.deploy.yml --\npackage: /packages/a\n", i)
		}
		require.Equal(t, "P/deployments: deployments have more than 20000 resources", bundleErr(write(t, sound, files)))
	})
	t.Run("conflicts", func(t *testing.T) {
		files := "-- packages/a/forklift-package.yml --\nhost: {provides: {listeners: [{port: 1}]}}\n"
		for i := range 500 {
			files += fmt.Sprintf("-- deployments/%d.deploy.yml --\npackage: /packages/a\n", i)
		}
		p, err := Read(write(t, sound, files))
		require.NoError(t, err)
		require.Len(t, p.Check().Conflicts, maxConflicts)
	})
	t.Run("mistakes", func(t *testing.T) {
		files := ""
		for i := range 1000 {
			files += fmt.Sprintf("-- deployments/%d.deploy.yml --\n{}\n", i)
		}
		_, err := Read(write(t, sound, files))
		require.ErrorContains(t, err, "\npallet has more than 200 mistakes")
		require.Equal(t, maxMistakes+1, 1+strings.Count(err.Error(), "\n"))
	})
	t.Run("depth", func(t *testing.T) {
		dir := write(t, sound)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, strings.Repeat("d/", 150)), 0o755))
		require.Equal(t, "read pallet: read P: directories are nested more than 100 deep", bundleErr(dir))
	})
}

// inMemory returns a temporary directory for very many files, on /dev/shm if possible.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "pallet-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}
