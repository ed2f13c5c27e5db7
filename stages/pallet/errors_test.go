package pallet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

// sound is a pallet without mistakes, to which tests add files.
const sound = `
-- forklift-pallet.yml --
forklift-version: v0.8.0
pallet:
  path: example.org/pallet
-- deployments/a.deploy.yml --
package: /packages/a
-- packages/a/forklift-package.yml --
deployment:
  provides:
    file-exports:
      - target: overlays/etc/a
-- packages/a/overlays/etc/a --
a
`

// write writes a pallet from txtar archives, of which the later ones win. A file with the content "-" is removed.
func write(t *testing.T, archives ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, archive := range archives {
		for _, f := range txtar.Parse([]byte(archive)).Files {
			name := filepath.Join(dir, f.Name)
			if string(f.Data) == "-\n" {
				require.NoError(t, os.Remove(name))
				continue
			}
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
			require.NoError(t, os.WriteFile(name, f.Data, 0o644))
		}
	}
	return dir
}

// bundleErr returns the error of reading or bundling a pallet, with short names: P for its directory, D for the file of
// deployment a, A and B for the files of packages a and b.
func bundleErr(dir string) string {
	p, err := Read(dir)
	if err == nil {
		_, err = p.Bundle(context.Background(), Options{})
	}
	if err == nil {
		return ""
	}
	return strings.NewReplacer(
		dir+"/deployments/a.deploy.yml:", "D:",
		dir+"/packages/a/forklift-package.yml:", "A:",
		dir+"/packages/b/forklift-package.yml:", "B:",
		dir, "P",
	).Replace(err.Error())
}

// exporting returns package a of the sound pallet with one export.
func exporting(lines ...string) string {
	return "-- packages/a/forklift-package.yml --\ndeployment:\n  provides:\n    file-exports:\n      - " +
		strings.Join(lines, "\n        ") + "\n"
}

// beside returns a second package and its deployment, with one export.
func beside(target string) string {
	return "-- deployments/b.deploy.yml --\npackage: /packages/b\n-- packages/b/x --\n" +
		"-- packages/b/forklift-package.yml --\n" +
		"deployment: {provides: {file-exports: [{source: x, target: " + target + "}]}}\n"
}

func TestMistakes(t *testing.T) {
	const (
		declaration = "-- forklift-pallet.yml --\n"
		deployment  = "-- deployments/a.deploy.yml --\n"
		features    = "-- packages/a/forklift-package.yml --\nfeatures: {y: {}, z: {}}\n"
		repository  = "-- forklift-repository.yml --\n"
		lock        = "-- requirements/pallets/example.org/other/forklift-version-lock.yml --\n"
	)
	for name, test := range map[string]struct{ files, want string }{
		"none": {"", ""},

		"no pallet": {declaration + "-\n", "read P/forklift-pallet.yml: no such file or directory"},
		"empty": {declaration,
			"P/forklift-pallet.yml:1:1: forklift-version \"\" is not a version such as v0.4.0\n" +
				"P/forklift-pallet.yml:1:1: pallet has no path"},
		"tab": {declaration + "forklift-version: v0.8.0\npallet:\n\tpath: x\n",
			"P/forklift-pallet.yml:3:1: found character '\t' that cannot start any token"},
		"key twice": {declaration + "pallet: {path: x}\npallet: {path: y}\n",
			`P/forklift-pallet.yml:2:1: mapping key "pallet" already defined at [1:1]`},
		"wrong type": {declaration + "forklift-version: v0.8.0\npallet: [path]\n",
			"P/forklift-pallet.yml:2:9: sequence was used where mapping is expected"},
		"no text": {declaration + "forklift-version: [v0.8.0]\n", "P/forklift-pallet.yml:1:19: value has the wrong type, want text"},
		"no version": {declaration + "forklift-version: 0.8.0\npallet: {path: x}\n",
			`P/forklift-pallet.yml:1:19: forklift-version "0.8.0" is not a version such as v0.4.0`},
		"old version": {declaration + "forklift-version: v0.3.1\npallet: {path: x}\n",
			"P/forklift-pallet.yml:1:19: forklift-version v0.3.1 is older than v0.4.0"},
		"no path": {declaration + "forklift-version: v0.8.0\npallet:\n  description: x\n",
			"P/forklift-pallet.yml:3:3: pallet has no path"},
		"too large": {declaration + strings.Repeat("#", maxSize),
			"read P/forklift-pallet.yml: file has more than 65536 bytes"},
		"broken repository": {repository + "forklift-version: [\n",
			"P/forklift-repository.yml:1:19: sequence end token ']' not found"},
		"repository without version": {repository + "repository: {path: x}\n",
			`P/forklift-repository.yml:1:1: forklift-version "" is not a version such as v0.4.0`},
		"required pallet": {lock + "type: version\n",
			"P/requirements/pallets/example.org/other/forklift-version-lock.yml:1:1: " +
				`commit "" is invalid, want 40 hexadecimal digits`},
		"lock of another type": {lock + "type: tag\n",
			"P/requirements/pallets/example.org/other/forklift-version-lock.yml:1:7: " +
				`type "tag" is unknown, want version or pseudoversion`},
		"format of the future": {declaration + "forklift-version: v1.0.0\npallet: {path: x}\n",
			"P/forklift-pallet.yml:1:19: forklift-version v1.0.0 is newer than v0.9, the newest supported version; " +
				"try it anyway with --ignore-tool-version"},

		"broken deployment": {deployment + "package: {\n",
			"D:1:10: could not find flow mapping end token '}'"},
		"deployment without name": {"-- deployments/b/.deploy.yml --\npackage: /packages/a\n",
			"P/deployments/b/.deploy.yml: deployment has no name"},
		"no package": {deployment + "features: []\n", "D:1:1: deployment has no package"},
		"missing package": {deployment + "package: /packages/missing\n",
			"D:1:10: package /packages/missing does not exist: P/packages/missing/forklift-package.yml is missing"},
		"package elsewhere": {deployment + "package: example.org/other/packages/a\n",
			"D:1:10: package example.org/other/packages/a is in no required repository or pallet; " +
				"the path of one of this pallet's own packages begins with /"},
		"package outside": {deployment + "package: /packages/../../a\n",
			`D:1:10: package "/packages/../../a" contains ".."`},
		"unclean package": {deployment + "package: /packages//a/\n",
			`D:1:10: package "/packages//a/" has a superfluous "/" or "."`},
		"the pallet as package": {deployment + "package: /\n",
			`D:1:10: package "/" is the directory itself`},
		"no boolean": {deployment + "package: /packages/a\ndisabled: yes\n",
			"D:2:11: value has the wrong type, want true or false"},
		"unknown feature": {deployment + "package: /packages/a\nfeatures:\n  - x\n",
			`D:3:5: package /packages/a has no feature "x"; its features are: none`},
		"unknown feature of two": {deployment + "package: /packages/a\nfeatures: [y, x]\n" + features,
			`D:2:15: package /packages/a has no feature "x"; its features are: y, z`},
		"disabled deployment of nothing": {deployment + "package: /missing\nfeatures: [x]\ndisabled: true\n", ""},
		"broken package": {"-- packages/a/forklift-package.yml --\nfeatures: {a: [1]}\n",
			"A:1:15: sequence was used where mapping is expected"},

		"no target": {exporting("source: x"), "A:4:9: export has no target"},
		"absolute target": {exporting("source: x", "target: /etc/a"),
			`A:5:17: export target "/etc/a" is absolute`},
		"target outside": {exporting("target: overlays/../../a"),
			`A:4:17: export target "overlays/../../a" contains ".."`},
		"unclean target": {exporting("target: overlays//etc/./a"),
			`A:4:17: export target "overlays//etc/./a" has a superfluous "/" or "."`},
		"all as target": {exporting("target: ."),
			`A:4:17: export target "." is the directory itself`},
		"long target": {exporting("target: overlays/" + strings.Repeat("x", 256) + "/a"),
			"A:4:17: export target \"overlays/" + strings.Repeat("x", 256) + "/a\" has a name of more than 255 bytes"},
		"Git's target": {exporting("target: overlays/.git/config"),
			`A:4:17: export target "overlays/.git/config" is inside of .git`},
		"NUL in target": {exporting(`target: "a\0b"`),
			"A:4:17: export target \"a\\x00b\" contains control characters or invalid UTF-8"},
		"source outside": {exporting("source: ../b/x", "target: x"),
			`A:4:17: export source "../b/x" contains ".."`},
		"missing source": {exporting("target: overlays/etc/b"),
			"A:4:9: export overlays/etc/b of deployment a: read P/packages/a/overlays/etc/b: no such file or directory"},
		"source in a file": {exporting("source: overlays/etc/a/b", "target: b"),
			"A:4:17: export b of deployment a: read P/packages/a/overlays/etc/a/b: not a directory"},
		"unknown source type": {exporting("source-type: git", "target: x"),
			`A:4:22: source-type "git" is unknown, want local, http, http-archive, oci-image`},
		"file to download": {exporting("source-type: http", "url: https://example.org/x", "target: x"),
			"A:4:22: export x of deployment a is from a download (https://example.org/x): " +
				"downloads are not available here"},
		"archive to download": {exporting("source-type: http-archive", "url: https://example.org/x.tar", "target: x"),
			"A:4:22: export x of deployment a is from a downloaded archive (https://example.org/x.tar): " +
				"downloads are not available here"},
		"image to download": {exporting("source-type: oci-image", "url: example.org/x:1", "target: x"),
			"A:4:22: export x of deployment a is from a container image (example.org/x:1): " +
				"downloads are not available here"},
		"too many permissions": {exporting("permissions: 04755", "target: overlays/etc/a"),
			"A:4:22: permissions are 0 to 0777"},
		"quoted permissions": {exporting("permissions: '0755'", "target: overlays/etc/a"),
			"A:4:22: permissions are a number such as 0644, not quoted"},
		"target in a file": {
			exporting("source: overlays/etc/a", "target: x\n      - source: overlays/etc/a", "target: x/y"),
			"A:6:17: export x/y of deployment a: path exports/x is both a regular file and a directory"},
		"directory over a file": {
			exporting("source: overlays", "target: x\n      - source: overlays/etc/a", "target: x/etc"),
			"A:6:17: export x/etc of deployment a: path exports/x/etc is both a directory and a regular file"},

		"same target": {beside("overlays/etc/a"),
			"A:4:17: file-export overlays/etc/a of deployment a conflicts with " +
				"file-export overlays/etc/a of deployment b (B:1:60): same path 'overlays/etc/a'"},
		"target in another's": {beside("overlays/etc/a/b/c"),
			"A:4:17: file-export overlays/etc/a of deployment a conflicts with " +
				"file-export overlays/etc/a/b/c of deployment b (B:1:60): " +
				"overlapping paths 'overlays/etc/a' and 'overlays/etc/a/b/c'"},
		"target around another's": {beside("overlays") + "-- packages/b/x --\n-\n-- packages/b/x/y --\n",
			"A:4:17: file-export overlays/etc/a of deployment a conflicts with " +
				"file-export overlays of deployment b (B:1:60): overlapping paths 'overlays' and 'overlays/etc/a'"},
		"target beside another's": {beside("overlays/etc/a-b"), ""},
		"target in another's, and a missing source": {beside("overlays/etc/a/b") + "-- packages/b/x --\n-\n",
			"A:4:17: file-export overlays/etc/a of deployment a conflicts with " +
				"file-export overlays/etc/a/b of deployment b (B:1:60): " +
				"overlapping paths 'overlays/etc/a' and 'overlays/etc/a/b'\n" +
				"B:1:49: export overlays/etc/a/b of deployment b: read P/packages/b/x: no such file or directory"},
		"same package twice": {"-- deployments/b.deploy.yml --\npackage: /packages/a\n",
			"A:4:17: file-export overlays/etc/a of deployment a conflicts with " +
				"file-export overlays/etc/a of deployment b (A:4:17): same path 'overlays/etc/a'"},
		"all in one run": {deployment + "package: /packages/a\nfeatures: [x, y]\n" + exporting("target: /a") +
			"-- deployments/b.deploy.yml --\npackage: /packages/a\n-- deployments/c.deploy.yml --\npackage: c\n",
			"D:2:12: package /packages/a has no feature \"x\"; its features are: none\n" +
				"D:2:15: package /packages/a has no feature \"y\"; its features are: none\n" +
				"A:4:17: export target \"/a\" is absolute\n" +
				"P/deployments/c.deploy.yml:1:10: package c is in no required repository or pallet; " +
				"the path of one of this pallet's own packages begins with /"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, bundleErr(write(t, sound, test.files)))
		})
	}
}

// shortened returns an error with P for a directory and M for the manifest in it.
func shortened(dir string, err error) error {
	return errors.New(strings.NewReplacer(dir+"/"+ManifestFile, "M", dir, "P").Replace(err.Error()))
}
