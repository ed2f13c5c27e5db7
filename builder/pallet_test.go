package builder

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
)

// ociLayout writes an image of one file to an OCI layout, and replaces an existing one.
func ociLayout(t *testing.T, dir, tag, name, content string) {
	t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}))
	_, err := w.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	put := func(at string, data []byte) {
		at = filepath.Join(dir, at)
		require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
		require.NoError(t, os.WriteFile(at, data, 0o644))
	}
	const oci = "application/vnd.oci.image."
	blob := func(kind string, data []byte) string {
		put("blobs/sha256/"+sum(data), data)
		return fmt.Sprintf(`{"mediaType":%q,"digest":"sha256:%s","size":%d`, oci+kind, sum(data), len(data))
	}
	config := blob("config.v1+json", []byte(`{"architecture":"arm64","os":"linux"}`)) + "}"
	manifest := blob("manifest.v1+json", []byte(`{"schemaVersion":2,"mediaType":"`+oci+`manifest.v1+json","config":`+config+
		`,"layers":[`+blob("layer.v1.tar", layer.Bytes())+`}]}`))
	put("index.json", []byte(`{"schemaVersion":2,"manifests":[`+manifest+
		`,"annotations":{"org.opencontainers.image.ref.name":"`+tag+`"}}]}`))
	put("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
}

// commitAll commits all files of a directory to its Git repository, which it creates if needed, and returns the commit.
func commitAll(t *testing.T, dir string) string {
	t.Helper()
	repo, err := git.PlainInit(dir, false)
	if err != nil {
		repo, err = git.PlainOpen(dir)
	}
	require.NoError(t, err)
	tree, err := repo.Worktree()
	require.NoError(t, err)
	require.NoError(t, tree.AddGlob("."))
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	hash, err := tree.Commit("x", &git.CommitOptions{Author: &object.Signature{Name: "x", When: at}})
	require.NoError(t, err)
	return hash.String()
}

// upstream is the source of the requirements and downloads of a recipe's pallet.
type upstream struct {
	dir    string
	server *httptest.Server
	file   string // what the server has
	recipe *recipes.Recipe
}

const basePallet = "forklift-version: v0.8.0\npallet: {path: example.org/base, description: d, readme-file: r}\n"

// newUpstream returns the upstream of a pallet with a package from another pallet, a file from a server and a program from
// an image.
func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{dir: t.TempDir(), file: "one\n"}
	u.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(u.file)) }))
	t.Cleanup(u.server.Close)
	u.image(t, "#!/bin/sh\n")
	base := filepath.Join(u.dir, "git/example.org/base")
	put(t, base, map[string]string{
		"forklift-pallet.yml":                  basePallet,
		"packages/banner/motd":                 "hello\n",
		"packages/banner/forklift-package.yml": "deployment: {provides: {file-exports: [{target: overlays/etc/motd, source: motd}]}}\n",
	})
	commit := commitAll(t, base)
	dir := filepath.Join(u.dir, "recipe")
	put(t, dir, map[string]string{
		"pi.yml": "name: pi\nbase: {debian: {suite: trixie}}\nmirrors:\n  example.org/: " + u.server.URL + "/\n" +
			"  ghcr.io/example/name: oci:" + u.dir + "/image\n  example.org/base: file://" + base + "\nlayers:\n  - stage: {pallet: mine}\n",
		"mine/forklift-pallet.yml":            strings.ReplaceAll(basePallet, "base", "mine"),
		"mine/deployments/banner.deploy.yml":  "package: /packages/banner\n",
		"mine/deployments/fetched.deploy.yml": "package: /packages/fetched\n",
		"mine/packages/fetched/forklift-package.yml": "deployment:\n  provides:\n    file-exports:\n" +
			"    - {target: overlays/usr/share/file, source-type: http, url: 'https://example.org/file'}\n" +
			"    - {target: overlays/usr/bin/name, source-type: oci-image, url: 'ghcr.io/example/name:1', source: name}\n",
		"mine/requirements/pallets/example.org/base/all.imports.yml": "modifiers: [{target: /packages}]\n",
		"mine/requirements/pallets/example.org/base/forklift-version-lock.yml": "type: pseudoversion\ntimestamp: \"20260102030405\"\ncommit: " +
			commit + "\n",
	})
	r, err := recipes.Load(filepath.Join(dir, "pi.yml"), recipes.Options{})
	require.NoError(t, err)
	u.recipe = r
	return u
}

func (u *upstream) image(t *testing.T, content string) {
	t.Helper()
	ociLayout(t, filepath.Join(u.dir, "image"), "1", "name", content)
}

// change changes the content of the downloads.
func (u *upstream) change(t *testing.T) {
	t.Helper()
	u.file = "two\n"
	u.image(t, "#!/bin/bash\n")
}

// gone removes the upstream.
func (u *upstream) gone(t *testing.T) {
	t.Helper()
	u.server.Close()
	require.NoError(t, errors.Join(os.RemoveAll(filepath.Join(u.dir, "image")), os.RemoveAll(filepath.Join(u.dir, "git"))))
}

// put writes files below a directory.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(content), 0o644))
	}
}

// lock returns the current lock of the recipe, with made-up packages.
func (u *upstream) lock(t *testing.T, cache string) *lock.Lock {
	t.Helper()
	s, err := Gather(t.Context(), u.recipe, GatherOptions{Cache: cache})
	require.NoError(t, err)
	asked, err := s.Request()
	require.NoError(t, err)
	l := &lock.Lock{For: asked.For, Pallets: asked.Pallets, Downloads: s.pins}
	l.Debian.Packages = lockOf(t, loaded(t)).Debian.Packages
	return l
}

// staged compiles the recipe, builds the layer of its stage, and returns the content of some exported files and the plan.
func (u *upstream) staged(t *testing.T, o GatherOptions) (contents []string, plan string) {
	t.Helper()
	p, err := compile(t, u.recipe, o)
	require.NoError(t, err)
	data, err := json.Marshal(p)
	require.NoError(t, err)
	tree, err := p.Layers[1].Layer.Make(t.Context(), &layers.Env{Dir: u.recipe.Dir, Cache: o.Cache}, nil)
	require.NoError(t, err)
	for _, name := range []string{"etc/motd", "usr/share/file", "usr/bin/name"} {
		data, err := tree.ReadFile(stages.Dir + "/1/exports/overlays/" + name)
		require.NoError(t, err)
		contents = append(contents, string(data))
	}
	return contents, string(data)
}

func TestPalletWithRequirementsAndDownloads(t *testing.T) {
	u := newUpstream(t)
	here, there := t.TempDir(), t.TempDir()
	contents, plan := u.staged(t, GatherOptions{Cache: here})
	require.Equal(t, []string{"hello\n", "one\n", "#!/bin/sh\n"}, contents)
	_, same := u.staged(t, GatherOptions{Cache: there})
	require.Equal(t, plan, same, "the plan does not depend on the cache")
	require.NotContains(t, plan, here)

	u.change(t)
	contents, _ = u.staged(t, GatherOptions{Cache: here})
	require.Equal(t, []string{"hello\n", "two\n", "#!/bin/bash\n"}, contents, "without a lock it is what is there now")
}

func TestLockPinsDownloads(t *testing.T) {
	u := newUpstream(t)
	cache := t.TempDir()
	l := u.lock(t, cache)
	require.Equal(t, []string{"download http https://example.org/file", "download oci-image ghcr.io/example/name:1"},
		[]string{l.Downloads[0].String(), l.Downloads[1].String()})
	text := l.Format("pi.yml")
	require.Contains(t, string(text), "\ndownload "+sum("one\n")+" http https://example.org/file\n")
	read, err := lock.Parse("x", text)
	require.NoError(t, err)
	require.Equal(t, l, read)

	_, plan := u.staged(t, GatherOptions{Cache: cache, Lock: l})
	u.change(t)
	later := u.lock(t, cache)
	contents, same := u.staged(t, GatherOptions{Cache: cache, Lock: l})
	require.Equal(t, []string{"hello\n", "one\n", "#!/bin/sh\n"}, contents, "what is locked is what is built")
	require.Equal(t, plan, same)
	_, err = compile(t, u.recipe, GatherOptions{Lock: l, Cache: t.TempDir()})
	require.ErrorContains(t, err, "downloaded file has SHA-256 "+sum("two\n")+", want "+sum("one\n"))
	require.ErrorContains(t, err, ": manifest has the digest sha256:")

	var changes []string
	for _, c := range l.Diff(later) {
		changes = append(changes, c.String())
	}
	require.Equal(t, []string{
		"download http https://example.org/file: " + sum("one\n")[:12] + " → " + sum("two\n")[:12],
		"download oci-image ghcr.io/example/name:1: " + l.Downloads[1].SHA256[:12] + " → " + later.Downloads[1].SHA256[:12],
	}, changes)

	u.gone(t)
	_, same = u.staged(t, GatherOptions{Cache: cache, Lock: l})
	require.Equal(t, plan, same, "the cache is all that is needed")
}

func TestStaleDownloads(t *testing.T) {
	u := newUpstream(t)
	cache := t.TempDir()
	l := u.lock(t, cache)
	l.Downloads[0].URL = "https://example.org/other"
	_, err := compile(t, u.recipe, GatherOptions{Lock: l, Cache: cache})
	stale := &lock.StaleError{}
	require.ErrorAs(t, err, &stale)
	require.Equal(t, []string{"download http https://example.org/file was added"}, stale.Changes)
	l = u.lock(t, cache)
	l.Downloads = append(l.Downloads, lock.Download{Type: "http", URL: "https://example.org/old", SHA256: sha1})
	_, err = compile(t, u.recipe, GatherOptions{Lock: l, Cache: cache})
	require.ErrorAs(t, err, &stale)
	require.Equal(t, []string{"download http https://example.org/old was removed"}, stale.Changes)
}

// TestMirrorsOfTheMachine: the mirrors of the environment override those of the recipe.
func TestMirrorsOfTheMachine(t *testing.T) {
	u := newUpstream(t)
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte("mine\n"), 0o600))
	contents, _ := u.staged(t, GatherOptions{Cache: t.TempDir(), Mirrors: mirror.Mirrors{"example.org/file": name}})
	require.Equal(t, "mine\n", contents[1])
}

func TestBundleNamesTheCommit(t *testing.T) {
	u := newUpstream(t)
	commit := commitAll(t, filepath.Join(u.recipe.Dir, "mine"))
	_, plan := u.staged(t, GatherOptions{Cache: t.TempDir()})
	require.Contains(t, plan, `commit: `+commit)
	require.Contains(t, plan, `version: v0.0.0-20260102030405-`+commit[:12])
	before := u.lock(t, t.TempDir())
	require.Equal(t, commit, before.Pallets[0].Commit)
	uncommitted := lock.Request{For: before.For, Pallets: []lock.Pallet{{Path: "mine", SHA256: before.Pallets[0].SHA256}}}
	require.Error(t, before.Check(uncommitted), "the bundle names the commit")
}

func TestPalletWithoutACache(t *testing.T) {
	u := newUpstream(t)
	_, err := compile(t, u.recipe, GatherOptions{})
	require.ErrorContains(t, err, "example.org/base")
}
