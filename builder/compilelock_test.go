package builder

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/recipes"
)

const sha1, sha2 = "1111111111111111111111111111111111111111111111111111111111111111", "2222222222222222222222222222222222222222222222222222222222222222"

// armored is a block with the first byte of a public key.
const armored = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----\n"

// loaded loads a recipe with a pallet and repositories from a directory of its own.
func loaded(t *testing.T, replace ...string) *recipes.Recipe {
	t.Helper()
	const text = `name: buoy
base: {debian: {suite: trixie, components: [main, contrib]}}
repositories:
  - {name: vendor, uris: ["http://vendor.example"], suites: [stable], components: [main], signed-by: keys/vendor.asc}
  - {name: security, uris: ["http://security.example"], suites: [trixie-security], components: [main], use: device}
  - {name: internal, uris: ["http://internal.example"], suites: [./], use: build}
layers:
  - packages: [vim, gpsd]
  - stage: {pallet: pallet}
`
	dir := write(t, map[string]string{
		"buoy.yml":                       strings.NewReplacer(replace...).Replace(text),
		"keys/vendor.asc":                armored,
		"keys/vendor.gpg":                "\x99\x01",
		"pallet/a/b":                     "content\n",
		"pallet/forklift-pallet.yml":     "forklift-version: v0.7.0\npallet: {path: example.org/buoy, description: test, readme-file: README.md}\n",
		"pallet/forklift-repository.yml": "forklift-version: v0.7.0\nrepository: {path: example.org/buoy, description: test, readme-file: README.md}\n",
	})
	r, err := recipes.Load(filepath.Join(dir, "buoy.yml"), recipes.Options{})
	require.NoError(t, err)
	return r
}

// lockOf returns a lock for a recipe, with made-up packages.
func lockOf(t *testing.T, r *recipes.Recipe) *lock.Lock {
	t.Helper()
	s := gather(t, r)
	stack, err := s.packageLayers()
	require.NoError(t, err)
	asked := request(t, r)
	var over [][]debian.Package
	for i := range stack[1:] {
		over = append(over, []debian.Package{
			{Name: fmt.Sprint("tree", i), Version: "2.2", Architecture: "arm64", URL: "pool/t/tree.deb", SHA256: sha1, Size: 60}})
	}
	return &lock.Lock{For: asked.For, Pallets: asked.Pallets, Over: over, Debian: debian.Lock{
		Packages: []debian.Package{
			{Name: "gpsd", Version: "3.25-5", Architecture: "arm64", URL: "pool/g/gpsd.deb", SHA256: sha1, Size: 100},
			{Name: "vim", Version: "2:9.1", Architecture: "all", URL: "http://vendor.example/vim.deb", SHA256: sha2, Size: 200},
		},
		Tools: []debian.Package{{Name: "dash", Version: "0.5", Architecture: "amd64", URL: "pool/d/dash.deb", SHA256: sha1, Size: 5}},
	}}
}

// installing are the replacements in the recipe that add two install layers.
var installing = []string{"  - stage", "  - install: [tree, nano, tree]\n  - stage: {pallet: pallet}\n  - install: [git]\n#"}

func TestLockOfInstallLayers(t *testing.T) {
	r := loaded(t, installing...)
	want := lockOf(t, r)
	want.Over[1] = nil // git is there already
	text := want.Format("buoy.yml")
	require.Contains(t, string(text), "\nfor package vim\nfor layer 1 package nano\nfor layer 1 package tree\nfor layer 2 package git\n")
	require.Contains(t, string(text), "\nover\npackage tree0 2.2 arm64 60 "+sha1+" pool/t/tree.deb\n")
	got, err := lock.Parse("buoy.yml.lock", text)
	require.NoError(t, err)
	require.Equal(t, want, got)

	p, err := compile(t, r, locked(want))
	require.NoError(t, err)
	var names []string
	for _, l := range p.Layers {
		names = append(names, l.Name)
	}
	require.Equal(t, []string{"debian", "install", "install", "repositories", "stage", "boot"}, names)
	base, one, two := p.Layers[0].Layer.(debian.Layer), p.Layers[1].Layer.(debian.Layer), p.Layers[2].Layer.(debian.Layer)
	require.Equal(t, []string{"gpsd", "vim"}, base.Packages)
	require.Equal(t, debian.Layer{Over: debian.OverLayers, Architecture: "arm64", Suite: "trixie", Components: base.Components,
		Packages: []string{"nano", "tree"}, Date: base.Date, Lock: &debian.Lock{Packages: want.Over[0], Tools: want.Debian.Tools}}, one)
	require.Equal(t, &debian.Lock{Tools: want.Debian.Tools}, two.Lock)
}

// TestInstallLeavesTheLayersBelow: another package in an install layer does not change the cache keys below.
func TestInstallLeavesTheLayersBelow(t *testing.T) {
	for _, withLock := range []bool{false, true} {
		key := func(last string) (out []layers.Key) {
			r := loaded(t, installing[0], strings.Replace(installing[1], "[git]", last, 1))
			o := GatherOptions{}
			if withLock {
				o.Lock = lockOf(t, r)
			}
			p, err := compile(t, r, o)
			require.NoError(t, err)
			below := layers.Root(p.Date)
			for _, l := range p.Layers[:3] {
				below, err = layers.KeyOf(l.Layer, below)
				require.NoError(t, err)
				out = append(out, below)
			}
			return out
		}
		before, after := key("[git]"), key("[git, curl]")
		require.Equal(t, before[:2], after[:2])
		require.NotEqual(t, before[2], after[2])
	}
}

func TestCompileWithALock(t *testing.T) {
	r := loaded(t)
	l := lockOf(t, r)
	p, err := compile(t, r, locked(l))
	require.NoError(t, err)
	base := p.Layers[0].Layer.(debian.Layer)
	require.Equal(t, &l.Debian, base.Lock)
	require.Empty(t, base.Repositories, "the lock replaces them")

	p, err = compile(t, r, GatherOptions{})
	require.NoError(t, err)
	base = p.Layers[0].Layer.(debian.Layer)
	require.Nil(t, base.Lock)
	require.Equal(t, []string{"vendor", "internal"}, []string{base.Repositories[0].Name, base.Repositories[1].Name})
}

func TestStaleLock(t *testing.T) {
	l := lockOf(t, loaded(t))
	for name, test := range map[string]struct {
		replace []string
		want    []string
	}{
		"package added":   {[]string{"vim, gpsd", "vim, gpsd, git"}, []string{"package git was added"}},
		"package removed": {[]string{"vim, gpsd", "vim"}, []string{"package gpsd was removed"}},
		"suite":           {[]string{"suite: trixie,", "suite: sid,"}, []string{"suite sid was added", "suite trixie was removed"}},
		"mirror":          {[]string{"suite: trixie,", "suite: trixie, mirror: 'http://m',"}, []string{"mirror http://m was added"}},
		"key": {[]string{"vendor.asc", "vendor.gpg"}, []string{
			`repository {"name":"vendor","uris":["http://vendor.example"],"suites":["stable"],"components":["main"],"sha256":"` +
				sum("\x99\x01") + `"} was added`,
			`repository {"name":"vendor","uris":["http://vendor.example"],"suites":["stable"],"components":["main"],"sha256":"` +
				sum(armored) + `"} was removed`}},
		"over others": {installing, []string{"layer 1 package nano was added", "layer 1 package tree was added", "layer 2 package git was added"}},
		"device only": {[]string{"security.example", "other.example"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := loaded(t, test.replace...)
			_, err := compile(t, r, locked(l))
			if test.want == nil {
				require.NoError(t, err)
				return
			}
			stale := &lock.StaleError{}
			require.ErrorAs(t, err, &stale)
			require.Equal(t, test.want, stale.Changes)
			require.EqualError(t, err, "lock is out of date: "+strings.Join(test.want, ", "))
		})
	}
}

func TestLockCoversPallets(t *testing.T) {
	r := loaded(t)
	l := lockOf(t, r)
	require.NoError(t, l.Check(request(t, r)))
	for name, change := range map[string]func(file string) error{
		"content": func(file string) error { return os.WriteFile(file, []byte("other\n"), 0o600) },
		"mode":    func(file string) error { return os.Chmod(file, 0o700) },
		"name":    func(file string) error { return os.Rename(file, file+"b") },
		"link":    func(file string) error { return os.Symlink("b", file+"link") },
	} {
		t.Run(name, func(t *testing.T) {
			r := loaded(t)
			require.NoError(t, change(filepath.Join(r.Dir, "pallet/a/b")))
			now := request(t, r)
			require.EqualError(t, l.Check(now), "lock is out of date: pallet pallet: "+
				l.Pallets[0].SHA256[:12]+" → "+now.Pallets[0].SHA256[:12])
			_, err := compile(t, r, locked(l))
			require.NoError(t, err, "a changed pallet can be built without a new lock")
		})
	}
}

func TestLockNamesACommit(t *testing.T) {
	needs.Program(t, "git")
	r := loaded(t)
	dir := filepath.Join(r.Dir, "pallet")
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return strings.TrimSpace(string(out))
	}
	plain := lockOf(t, r).Pallets[0]
	require.Empty(t, plain.Commit)
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "test")
	got := lockOf(t, r).Pallets[0]
	require.Equal(t, git("rev-parse", "HEAD"), got.Commit)
	require.Equal(t, plain.SHA256, got.SHA256, "git's own files do not count")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "new"), nil, 0o600))
	require.Empty(t, lockOf(t, r).Pallets[0].Commit, "the commit does not tell what is there")
}
