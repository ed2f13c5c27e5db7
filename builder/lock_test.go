package builder

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/recipes"
)

const sha1, sha2 = "1111111111111111111111111111111111111111111111111111111111111111", "2222222222222222222222222222222222222222222222222222222222222222"

// loaded is a recipe in a directory of its own, with a pallet and a repository.
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
		"keys/vendor.asc":                "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
		"keys/vendor.gpg":                "\x99\x01",
		"pallet/a/b":                     "content\n",
		"pallet/forklift-pallet.yml":     "forklift-version: v0.7.0\npallet: {path: example.org/buoy, description: test, readme-file: README.md}\n",
		"pallet/forklift-repository.yml": "forklift-version: v0.7.0\nrepository: {path: example.org/buoy, description: test, readme-file: README.md}\n",
	})
	r, err := recipes.Load(filepath.Join(dir, "buoy.yml"), recipes.Options{})
	require.NoError(t, err)
	return r
}

// lockOf is a lock that fits a recipe, with packages that exist by name only.
func lockOf(t *testing.T, r *recipes.Recipe) *Lock {
	t.Helper()
	stack, err := packageLayers(r, nil)
	require.NoError(t, err)
	pallets, err := lockedPallets(r)
	require.NoError(t, err)
	var over [][]debian.Package
	for i := range stack[1:] {
		over = append(over, []debian.Package{
			{Name: fmt.Sprint("tree", i), Version: "2.2", Architecture: "arm64", URL: "pool/t/tree.deb", SHA256: sha1, Size: 60}})
	}
	return &Lock{For: wanted(stack), Pallets: pallets, Over: over, Debian: debian.Lock{
		Packages: []debian.Package{
			{Name: "gpsd", Version: "3.25-5", Architecture: "arm64", URL: "pool/g/gpsd.deb", SHA256: sha1, Size: 100},
			{Name: "vim", Version: "2:9.1", Architecture: "all", URL: "http://vendor.example/vim.deb", SHA256: sha2, Size: 200},
		},
		Tools: []debian.Package{{Name: "dash", Version: "0.5", Architecture: "amd64", URL: "pool/d/dash.deb", SHA256: sha1, Size: 5}},
	}}
}

func TestLockReadsBack(t *testing.T) {
	r := loaded(t)
	want := lockOf(t, r)
	text := want.Format("some/where/buoy.yml")
	got, err := ParseLock("buoy.yml.lock", text)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, string(text), string(got.Format("buoy.yml")))
	require.Equal(t, "# What the image of buoy.yml is made of. Written by `pkbuild lock buoy.yml`: run that again rather than edit this.",
		strings.Split(string(text), "\n")[0])
	require.Contains(t, string(text), "\npackage vim 2:9.1 all 200 "+sha2+" http://vendor.example/vim.deb\n")
}

// installing are the replacements by which a recipe installs packages over its others, in two layers.
var installing = []string{"  - stage", "  - install: [tree, nano, tree]\n  - stage: {pallet: pallet}\n  - install: [git]\n#"}

func TestLockOfLayersOverOthers(t *testing.T) {
	r := loaded(t, installing...)
	want := lockOf(t, r)
	want.Over[1] = nil // git is there already
	text := want.Format("buoy.yml")
	require.Contains(t, string(text), "\nfor package vim\nfor layer 1 package nano\nfor layer 1 package tree\nfor layer 2 package git\n")
	require.Contains(t, string(text), "\nover\npackage tree0 2.2 arm64 60 "+sha1+" pool/t/tree.deb\n")
	got, err := ParseLock("buoy.yml.lock", text)
	require.NoError(t, err)
	require.Equal(t, want, got)

	p, err := Compile(t.Context(), r, Inputs{Programs: programs, Lock: want})
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

// TestInstallLeavesTheLayersBelow: who installs one package more keeps what is cached.
func TestInstallLeavesTheLayersBelow(t *testing.T) {
	for _, locked := range []bool{false, true} {
		key := func(last string) (out []layers.Key) {
			r := loaded(t, installing[0], strings.Replace(installing[1], "[git]", last, 1))
			in := Inputs{Programs: programs}
			if locked {
				in.Lock = lockOf(t, r)
			}
			p, err := Compile(t.Context(), r, in)
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

func TestLockErrors(t *testing.T) {
	valid := string(lockOf(t, loaded(t)).Format("buoy.yml"))
	for name, test := range map[string]struct{ old, new, err string }{
		"version":     {"version 1", "version 2", "x.lock:2: the format has version 2, and this pkbuild knows version 1"},
		"no version":  {"version 1", "", "x.lock:5: the file does not begin with its version; is it a lock?"},
		"kind":        {"package gpsd 3", "parcel gpsd 3", `x.lock:15: "parcel" is no kind of line that this pkbuild knows`},
		"words":       {"3.25-5 arm64", "3.25-5", "x.lock:15: 5 words are there, not NAME VERSION ARCHITECTURE SIZE SHA256 URL"},
		"size":        {"arm64 100 ", "arm64 many ", `x.lock:15: "many" is no size in bytes`},
		"no size":     {"arm64 100 ", "arm64 0 ", `x.lock:15: "0" is no size in bytes`},
		"name":        {"package gpsd 3", "package ../gpsd 3", `x.lock:15: "../gpsd" is no name of a package`},
		"package":     {"3.25-5", "../3", `x.lock:15: "../3" is no version`},
		"no version ": {"gpsd 3.25-5", "gpsd ", `x.lock:15: "" is no version`},
		"processor":   {"3.25-5 arm64", "3.25-5 ?", `x.lock:15: "?" is no architecture`},
		"digest":      {sha1 + " pool/g", sha1[1:] + " pool/g", `x.lock:15: "` + sha1[1:] + `" is no SHA-256`},
		"URL":         {"pool/g/gpsd.deb", "", "x.lock:15: the URL is missing"},
		"pallet":      {" - pallet", "", "x.lock:22: write pallet SHA256 COMMIT PATH"},
		"conflict":    {"version 1", "<<<<<<< HEAD\nversion 1", "x.lock:2: the file does not begin with its version; is it a lock?"},
		"truncated":   {valid[strings.Index(valid, "\npackage "):], "", "x.lock: the lock is incomplete; make it anew"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(valid, test.old, test.new, 1)
			require.NotEqual(t, valid, text)
			_, err := ParseLock("x.lock", []byte(text))
			require.EqualError(t, err, test.err)
		})
	}
}

// TestLockOverAVendorsImage: what the image has may be all that is asked for.
func TestLockOverAVendorsImage(t *testing.T) {
	l, err := ParseLock("x.lock", []byte("version 1\nfor architecture arm64\nfor image "+sha1+"\n"))
	require.NoError(t, err)
	require.Empty(t, l.Debian.Packages)
	_, err = ParseLock("x.lock", []byte("version 1\nfor architecture arm64\nfor suite trixie\n"))
	require.EqualError(t, err, "x.lock: the lock is incomplete; make it anew")
}

func FuzzParseLock(f *testing.F) {
	f.Add("version 1\nfor suite trixie\npackage a1 1 all 1 " + sha1 + " pool/a\ntool b1 1:2 amd64 2 " + sha2 + " http://b/b\npallet " + sha1 + " - a b\n")
	f.Add("version 1\nfor image x\nimage sha256:" + sha1 + " docker.io/library/caddy:2.8\n")
	f.Add("#\n\nversion 1\npackage \n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLock("x", []byte(text))
		if err != nil {
			return
		}
		again, err := ParseLock("x", l.Format("x"))
		require.NoError(t, err)
		require.Equal(t, l, again)
	})
}

func TestCompileWithALock(t *testing.T) {
	r := loaded(t)
	lock := lockOf(t, r)
	p, err := Compile(t.Context(), r, Inputs{Programs: programs, Lock: lock})
	require.NoError(t, err)
	l := p.Layers[0].Layer.(debian.Layer)
	require.Equal(t, &lock.Debian, l.Lock)
	require.Empty(t, l.Repositories, "they play no part any more")

	p, err = Compile(t.Context(), r, Inputs{Programs: programs})
	require.NoError(t, err)
	l = p.Layers[0].Layer.(debian.Layer)
	require.Nil(t, l.Lock)
	require.Equal(t, []string{"vendor", "internal"}, []string{l.Repositories[0].Name, l.Repositories[1].Name})
}

func TestLockThatDoesNotFit(t *testing.T) {
	lock := lockOf(t, loaded(t))
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
				sum("-----BEGIN PGP PUBLIC KEY BLOCK-----\n") + `"} was removed`}},
		"over others": {installing, []string{"layer 1 package nano was added", "layer 1 package tree was added", "layer 2 package git was added"}},
		"device only": {[]string{"security.example", "other.example"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := loaded(t, test.replace...)
			_, err := Compile(t.Context(), r, Inputs{Programs: programs, Lock: lock})
			if test.want == nil {
				require.NoError(t, err)
				return
			}
			misfit := &MisfitError{}
			require.ErrorAs(t, err, &misfit)
			require.Equal(t, test.want, misfit.Changes)
			require.EqualError(t, err, "the lock does not fit the recipe any more: "+strings.Join(test.want, ", "))
		})
	}
}

func TestLockKnowsPallets(t *testing.T) {
	r := loaded(t)
	lock := lockOf(t, r)
	require.NoError(t, lock.Check(t.Context(), r, Inputs{}))
	before := lock.Pallets[0].version()
	for name, change := range map[string]func(file string) error{
		"content": func(file string) error { return os.WriteFile(file, []byte("other\n"), 0o600) },
		"mode":    func(file string) error { return os.Chmod(file, 0o700) },
		"name":    func(file string) error { return os.Rename(file, file+"b") },
		"link":    func(file string) error { return os.Symlink("b", file+"link") },
	} {
		t.Run(name, func(t *testing.T) {
			r := loaded(t)
			require.NoError(t, change(filepath.Join(r.Dir, "pallet/a/b")))
			now, err := lockedPallets(r)
			require.NoError(t, err)
			require.EqualError(t, lock.Check(t.Context(), r, Inputs{}),
				"the lock does not fit the recipe any more: pallet pallet: "+before+" → "+now[0].version())
			_, err = Compile(t.Context(), r, Inputs{Programs: programs, Lock: lock})
			require.NoError(t, err, "who works on a pallet need not lock anew")
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

func TestLockDiff(t *testing.T) {
	before := lockOf(t, loaded(t))
	after := lockOf(t, loaded(t))
	d := &after.Debian
	d.Packages[0] = debian.Package{Name: "gpsd", Version: "3.26", SHA256: sha2, Size: 1500}
	d.Packages[1] = debian.Package{Name: "vim-tiny", Version: "2:9.1", SHA256: sha2, Size: 50}
	d.Tools[0].SHA256 = sha2
	after.Pallets[0].SHA256, after.Pallets[0].Commit = sha2, "abc"
	var got []string
	for _, c := range before.Diff(after) {
		got = append(got, c.Verb()+": "+c.String())
	}
	require.Equal(t, []string{
		"changed: package gpsd: 3.25-5 → 3.26, +1.4 KiB",
		"removed: package vim: removed 2:9.1, -200 B",
		"added: package vim-tiny: added 2:9.1, +50 B",
		"changed: tool dash: 0.5, its content differs",
		"changed: pallet pallet: " + before.Pallets[0].version() + " → abc",
	}, got)
	require.Empty(t, before.Diff(before))
	over := lockOf(t, loaded(t, installing...))
	require.Equal(t, []string{"package tree0: added 2.2, +60 B", "package tree1: added 2.2, +60 B"}, lines(before.Diff(over)))
	require.Equal(t, []string{"package tree0: removed 2.2, -60 B", "package tree1: removed 2.2, -60 B"}, lines(over.Diff(before)))
	var none *Lock
	require.Len(t, none.Diff(before), 4)
	require.Equal(t, "pallet pallet: added", none.Diff(before)[3].String())
}

func lines(changes []Change) (out []string) {
	for _, c := range changes {
		out = append(out, c.String())
	}
	return out
}

func TestReadAndWriteLock(t *testing.T) {
	recipe := filepath.Join(t.TempDir(), "buoy.yml")
	l, err := ReadLock(recipe)
	require.NoError(t, err)
	require.Nil(t, l)
	want := lockOf(t, loaded(t))
	require.NoError(t, WriteLock(recipe, want))
	l, err = ReadLock(recipe)
	require.NoError(t, err)
	require.Equal(t, want, l)
	require.NoError(t, os.WriteFile(LockName(recipe), []byte("x\n"), 0o600))
	_, err = ReadLock(recipe)
	require.EqualError(t, err, recipe+".lock:1: the file does not begin with its version; is it a lock?")
}
